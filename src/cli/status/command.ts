import { Command } from 'commander'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readBreakGlass } from '../../admission/break-glass.ts'
import { ClusterFault } from '../../cluster/cluster-fault.ts'
import { hashOfObjects } from '../../policy-store/policies-hash.ts'
import type { RunningFindings } from '../../scan/running-findings.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { lookAtInstall, type Status } from '../../status/status.ts'
import { RunningMap } from '../../scan/running-map.ts'
import { addClusterOptions, withCluster, type ClusterOptions } from '../cluster/cluster-options.ts'
import { lookOf } from '../table.ts'
import type { CommandContext } from '../command-context.ts'
import { isFolderNamed } from '../named-folder.ts'
import { isForProgram, outputOption, type Output } from '../result/output.ts'
import { printResult } from '../result/print-result.ts'
import { addSettingOptions, settingsOf } from '../setting-options.ts'
import { probeOf } from './forwarded-probe.ts'
import { isHealthy, printStatus, statusResult } from './print-status.ts'
import { runningText } from './running-text.ts'
import { servedStatus } from './served-status.ts'
import { timeoutOption } from '../timeout-option.ts'
import { examples } from '../help/examples.ts'

interface StatusOptions extends ClusterOptions, Readonly<Record<string, unknown>> {
  readonly wait?: boolean
  readonly timeout: string
  readonly output: Output
}

/** What is shown beside the status. */
interface Shown {
  readonly context: string
  readonly running: RunningFindings | undefined
}

export function statusCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('status')
    .description(
      'show what is healthy in the cluster, per component and per node, or with --data of a server',
    )
    .addHelpText(
      ...examples(
        'trow status',
        'trow status --wait --timeout 10m',
        'trow status --context production -o json',
        'trow status --data /var/lib/trow',
      ),
    )
    .option('--wait', 'wait until everything is healthy')
    .option('--timeout <time>', 'how long --wait waits', '5m')
    .addOption(outputOption('table', 'short', 'json', 'yaml'))
  addSettingOptions(command, ['data'])

  async function show(status: Status, { context, running }: Shown, options: StatusOptions): Promise<void> {
    const look = lookOf(terminal.stdout, terminal.env)
    const short = options.output === 'short'
    if (isForProgram(options.output))
      await printResult('Status', statusResult(status, running), options.output, terminal)
    else {
      terminal.stdout.write(printStatus(status, { look, short, context }))
      if (running !== undefined && !short)
        terminal.stdout.write(`\n${runningText(running, Date.now(), look)}`)
    }
    finish(isHealthy(status) ? 0 : options.wait === true ? exitCode.timedOut : exitCode.problemsFound)
  }

  return addClusterOptions(command).action(async (options: StatusOptions) => {
    const patience = timeoutOption(options.timeout, 'Write 30s, 5m.')
    const waiting = { patience: options.wait === true ? patience : 0 }
    if (isFolderNamed(options)) {
      const { settings } = await settingsOf(options, terminal)
      const folder = resolve(settings.data)
      const isPassing = (error: unknown): boolean =>
        error instanceof UserError && error.code === 'SERVER_NOT_RUNNING'
      const status = await untilHealthy(() => servedStatus(folder), { ...waiting, isPassing })
      return show(status, { context: '', running: undefined }, options)
    }
    await withCluster(options, terminal, async (cluster) => {
      const { objects, layout, context } = cluster
      const probe = probeOf(cluster)
      const look = (): Promise<Status> =>
        lookAtInstall({ objects, layout, probe, now: Date.now, readBreakGlass, hashOf: hashOfObjects })
      // An API server that does not answer for a while counts as not yet healthy.
      const isPassing = (error: unknown): boolean =>
        error instanceof ClusterFault && error.kind === 'unreachable'
      const status = await untilHealthy(look, { ...waiting, isPassing })
      // What runs says nothing about trow's own health, and may be hidden from who asks.
      const running = await new RunningMap(objects, layout.namespace).read().catch((error: unknown) => {
        if (error instanceof ClusterFault) return undefined
        throw error
      })
      await show(status, { context: context.name, running }, options)
    })
  })
}

/** Looks again until all is well, for `patience` milliseconds at most. The last look may reject. */
async function untilHealthy(
  look: () => Promise<Status>,
  { patience, isPassing }: { readonly patience: number; readonly isPassing: (error: unknown) => boolean },
): Promise<Status> {
  const deadline = Date.now() + patience
  for (;;) {
    const isLast = Date.now() >= deadline
    try {
      const status = await look()
      if (isLast || isHealthy(status)) return status
    } catch (error) {
      if (isLast || !isPassing(error)) throw error
    }
    await sleep(2000)
  }
}
