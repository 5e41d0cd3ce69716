import { Command } from 'commander'
import { setTimeout as sleep } from 'node:timers/promises'
import { installedHost } from '../../cluster/config-data.ts'
import { names, startupTaint } from '../../cluster/layout.ts'
import { readForReset } from '../../install/remembered.ts'
import { planUninstall, print, uninstall, type UninstallPlan } from '../../install/uninstall.ts'
import { exitCode } from '../../user-error.ts'
import { addClusterOptions, withCluster, type ClusterOptions } from '../cluster/cluster-options.ts'
import { confirmed } from '../confirm.ts'
import type { CommandContext } from '../command-context.ts'
import { timeoutOption } from '../timeout-option.ts'

interface UninstallOptions extends ClusterOptions {
  readonly purge?: boolean
  readonly keepNamespace?: boolean
  readonly dryRun?: boolean
  readonly yes?: boolean
  readonly timeout: string
}

export function uninstallCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('uninstall')
    .description('take trow out of the cluster and give the nodes back as they were; the data stays')
    .option('--purge', 'delete the data as well')
    .option('--keep-namespace', 'leave the namespaces')
    .option('--dry-run', 'only say what would be done')
    .option('-y, --yes', 'ask nothing')
    .option('--timeout <time>', 'how long the nodes have to answer, and the namespaces to go', '3m')
  return addClusterOptions(command).action(async (options: UninstallOptions) => {
    const patience = timeoutOption(options.timeout, 'Write 30s, 3m.')
    await withCluster(options, terminal, async ({ objects, layout, context }) => {
      const { purge = false, keepNamespace = false } = options
      const say = (text: string): void => void terminal.stderr.write(`${text}\n`)
      const parts = { objects, layout, now: Date.now, say, pause: (time: number) => sleep(time) }
      const settings = await objects.get({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        name: names.settings,
        namespace: layout.namespace,
      })
      const remembered = await readForReset(objects, layout.namespace)
      const host = installedHost(settings) ?? layout.imageHost
      const plan = await planUninstall(parts, { purge, keepNamespace, host })
      if (plan.objects.length === 0) {
        say(`there is no trow in namespace ${layout.namespace} of context ${context.name}`)
        for (const each of plan.kept) say(`kept: ${each}`)
        return
      }
      terminal.stdout.write(planText(plan, context.name))
      if (options.dryRun === true) return
      if (options.yes !== true && !(await confirmed('Go on?', terminal, '-y'))) {
        say('nothing was done')
        return finish(exitCode.failed)
      }
      const silent = await uninstall(parts, { plan, deadline: Date.now() + patience })
      for (const each of plan.kept) say(`kept: ${each}`)
      if (remembered?.settings?.startupTaint === true)
        say(`new nodes with taint ${startupTaint} get no pods now: no node pool is to register with it`)
      if (silent.length === 0) return say('trow is gone, and every node is as it was')
      say(`these nodes did not say that they are as they were: ${silent.join(', ')}`)
      say('  trow trust-node --undo on each of them takes its files away')
      finish(exitCode.problemsFound)
    })
  })
}

function planText({ users, objects, kept }: UninstallPlan, context: string): string {
  const lines = [
    `trow is taken out of context ${context}, in this order:`,
    ...objects.map((each) => `  delete ${print(each)}`),
  ]
  lines.push('  (the agents give every node back before their DaemonSet goes)')
  const isDeleted = (kind: string): boolean => objects.some((each) => each.kind === kind)
  // The volume of a claim is ours only where it is a folder, which stays.
  if (isDeleted('PersistentVolumeClaim') && !isDeleted('PersistentVolume'))
    lines.push('  (with the data: every image in it is lost)')
  for (const each of kept) lines.push(`  keep ${each}`)
  if (users.length > 0) {
    lines.push(`${users.length} pods run images from this registry and could not be started again:`)
    lines.push(...users.slice(0, 20).map((each) => `  ${each}`))
    if (users.length > 20) lines.push(`  and ${users.length - 20} more`)
  }
  return `${lines.join('\n')}\n`
}
