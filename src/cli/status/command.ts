import { Command, Option } from 'commander'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClusterFault } from '../../cluster/cluster-fault.ts'
import { exitCode } from '../../user-error.ts'
import { lookAtInstall, type Status } from '../../status/status.ts'
import { addClusterOptions, withCluster, type ClusterOptions } from '../cluster/cluster-options.ts'
import { colorsOf } from '../display.ts'
import type { CommandContext } from '../command-context.ts'
import { probeOf } from './forwarded-probe.ts'
import { isHealthy, printStatus, statusJson } from './print-status.ts'
import { timeoutOption } from '../timeout-option.ts'

interface StatusOptions extends ClusterOptions {
  readonly wait?: boolean
  readonly timeout: string
  readonly output: 'table' | 'short' | 'json'
}

export function statusCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('status')
    .description('what is healthy in the cluster, per component and per node')
    .option('--wait', 'until everything is')
    .option('--timeout <time>', 'how long --wait waits', '5m')
    .addOption(new Option('-o, --output <form>', 'form').choices(['table', 'short', 'json']).default('table'))
  return addClusterOptions(command).action(async (options: StatusOptions) => {
    const patience = timeoutOption(options.timeout, 'Write 30s, 5m.')
    await withCluster(options, terminal, async (cluster) => {
      const { objects, layout, context } = cluster
      const probe = probeOf(cluster)
      const look = (): Promise<Status> => lookAtInstall({ objects, layout, probe, now: Date.now })
      const deadline = Date.now() + patience
      const isLast = (): boolean => options.wait !== true || Date.now() >= deadline
      let status: Status | undefined
      while (status === undefined || !(isHealthy(status) || isLast())) {
        if (status !== undefined) await sleep(2000)
        status = await look().catch(async (error: unknown) => {
          // Away for a while is no more than not yet healthy.
          if (isLast() || !(error instanceof ClusterFault) || error.kind !== 'unreachable') throw error
          await sleep(2000)
          return undefined
        })
      }
      const colors = colorsOf(terminal.stdout, terminal.env)
      const short = options.output === 'short'
      if (options.output === 'json') terminal.exact.stdout.write(statusJson(status))
      else terminal.stdout.write(printStatus(status, { colors, short, context: context.name }))
      finish(isHealthy(status) ? 0 : options.wait === true ? exitCode.timedOut : exitCode.problemsFound)
    })
  })
}
