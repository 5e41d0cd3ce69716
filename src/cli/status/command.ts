import { Command } from 'commander'
import { setTimeout as sleep } from 'node:timers/promises'
import { readBreakGlass } from '../../admission/break-glass.ts'
import { ClusterFault } from '../../cluster/cluster-fault.ts'
import { hashOfObjects } from '../../policy-store/policies-hash.ts'
import { exitCode } from '../../user-error.ts'
import { lookAtInstall, type Status } from '../../status/status.ts'
import { RunningMap } from '../../scan/running-map.ts'
import { addClusterOptions, withCluster, type ClusterOptions } from '../cluster/cluster-options.ts'
import { lookOf } from '../table.ts'
import type { CommandContext } from '../command-context.ts'
import { isForProgram, outputOption, type Output } from '../result/output.ts'
import { printResult } from '../result/print-result.ts'
import { probeOf } from './forwarded-probe.ts'
import { isHealthy, printStatus, statusResult } from './print-status.ts'
import { runningText } from './running-text.ts'
import { timeoutOption } from '../timeout-option.ts'
import { examples } from '../help/examples.ts'

interface StatusOptions extends ClusterOptions {
  readonly wait?: boolean
  readonly timeout: string
  readonly output: Output
}

export function statusCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('status')
    .description('show what is healthy in the cluster, per component and per node')
    .addHelpText(
      ...examples(
        'trow status',
        'trow status --wait --timeout 10m',
        'trow status --context production -o json',
      ),
    )
    .option('--wait', 'wait until everything is healthy')
    .option('--timeout <time>', 'how long --wait waits', '5m')
    .addOption(outputOption('table', 'short', 'json', 'yaml'))
  return addClusterOptions(command).action(async (options: StatusOptions) => {
    const patience = timeoutOption(options.timeout, 'Write 30s, 5m.')
    await withCluster(options, terminal, async (cluster) => {
      const { objects, layout, context } = cluster
      const probe = probeOf(cluster)
      const look = (): Promise<Status> =>
        lookAtInstall({ objects, layout, probe, now: Date.now, readBreakGlass, hashOf: hashOfObjects })
      const deadline = Date.now() + patience
      const isLast = (): boolean => options.wait !== true || Date.now() >= deadline
      let status: Status | undefined
      while (status === undefined || !(isHealthy(status) || isLast())) {
        if (status !== undefined) await sleep(2000)
        status = await look().catch(async (error: unknown) => {
          // An API server that does not answer for a while counts as not yet healthy.
          if (isLast() || !(error instanceof ClusterFault) || error.kind !== 'unreachable') throw error
          await sleep(2000)
          return undefined
        })
      }
      // What runs says nothing about trow's own health, and may be hidden from who asks.
      const running = await new RunningMap(objects, layout.namespace).read().catch((error: unknown) => {
        if (error instanceof ClusterFault) return undefined
        throw error
      })
      const tableLook = lookOf(terminal.stdout, terminal.env)
      const short = options.output === 'short'
      if (isForProgram(options.output))
        await printResult('Status', statusResult(status, running), options.output, terminal)
      else {
        terminal.stdout.write(printStatus(status, { look: tableLook, short, context: context.name }))
        if (running !== undefined && !short)
          terminal.stdout.write(`\n${runningText(running, Date.now(), tableLook)}`)
      }
      finish(isHealthy(status) ? 0 : options.wait === true ? exitCode.timedOut : exitCode.problemsFound)
    })
  })
}
