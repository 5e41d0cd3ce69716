import { counted } from '../../counted.ts'
import { Command } from 'commander'
import { setTimeout as sleep } from 'node:timers/promises'
import { installedHost } from '../../cluster/config-data.ts'
import { names, startupTaint } from '../../cluster/layout.ts'
import { readForReset } from '../../install/remembered.ts'
import { planUninstall, print, type UninstallPlan } from '../../install/uninstall-plan.ts'
import { uninstall } from '../../install/uninstall.ts'
import { exitCode } from '../../user-error.ts'
import { addClusterOptions, withCluster, type ClusterOptions } from '../cluster/cluster-options.ts'
import { confirmed } from '../confirm.ts'
import type { CommandContext } from '../command-context.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printResult } from '../result/print-result.ts'
import { timeoutOption } from '../timeout-option.ts'
import { examples } from '../help/examples.ts'
import { plain } from './install-result.ts'

interface UninstallOptions extends ClusterOptions {
  readonly purge?: boolean
  readonly keepNamespace?: boolean
  readonly dryRun?: boolean
  readonly yes?: boolean
  readonly timeout: string
  readonly output: Output
}

export function uninstallCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('uninstall')
    .description('take trow out of the cluster and give the nodes back as they were; the data stays')
    .addHelpText(
      ...examples(
        'trow uninstall --dry-run',
        'trow uninstall --yes',
        'trow uninstall --purge --context staging',
      ),
    )
    .option('--purge', 'delete the data and the policies as well')
    .option('--keep-namespace', 'leave the namespaces')
    .option('--dry-run', 'only say what would be done')
    .addOption(outputOption(...objectOutputs))
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
      const { objects: removed, kept, users: pods, policies } = plan
      const print = async (silentNodes: readonly string[]): Promise<void> => {
        const where = {
          context: context.name,
          namespace: layout.namespace,
          isDryRun: options.dryRun === true,
        }
        const result = { ...where, objects: removed.map(plain), kept, pods, policies, silentNodes }
        if (options.output !== 'text') await printResult('Uninstall', result, options.output, terminal)
      }
      if (plan.objects.length === 0) {
        say(`there is no trow in namespace ${layout.namespace} of context ${context.name}`)
        for (const each of plan.kept) say(`kept: ${each}`)
        return print([])
      }
      const told = options.output === 'text' ? terminal.stdout : terminal.stderr
      told.write(planText(plan, context.name))
      if (options.dryRun === true) return print([])
      if (options.yes !== true && !(await confirmed('Go on?', terminal, '-y'))) {
        say('nothing was done')
        return finish(exitCode.failed)
      }
      const silent = await uninstall(parts, { plan, deadline: Date.now() + patience })
      await print(silent)
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

function planText({ users, objects, kept, policies }: UninstallPlan, context: string): string {
  const lines = [
    `trow is taken out of context ${context}, in this order:`,
    ...objects.map((each) => `  delete ${print(each)}`),
  ]
  lines.push('  (the agents give every node back before their DaemonSet goes)')
  const isDeleted = (kind: string): boolean => objects.some((each) => each.kind === kind)
  // trow deletes the volume of a claim only if it is a folder of a node, and that folder stays.
  if (isDeleted('PersistentVolumeClaim') && !isDeleted('PersistentVolume'))
    lines.push('  (with the data: every image in it is lost)')
  if (policies > 0) lines.push(`  (with every policy and exception of the cluster: ${policies})`)
  for (const each of kept) lines.push(`  keep ${each}`)
  if (users.length > 0) {
    const runs = users.length === 1 ? 'runs' : 'run'
    lines.push(
      `${counted(users.length, 'pod')} ${runs} images from this registry and could not be started again:`,
    )
    lines.push(...users.slice(0, 20).map((each) => `  ${each}`))
    if (users.length > 20) lines.push(`  and ${users.length - 20} more`)
  }
  return `${lines.join('\n')}\n`
}
