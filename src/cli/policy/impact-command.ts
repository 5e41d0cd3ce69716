import { Command } from 'commander'
import type { AuditEvent } from '../../audit/event-schema.ts'
import { mostEvents } from '../../audit/request-parameters.ts'
import { Impact } from '../../scan/impact.ts'
import { loadSoundPolicies } from '../../policy-store/load-files.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { askAudit } from '../audit/ask-audit.ts'
import { addAuditPlace, type AuditOptions } from '../audit/audit-options.ts'
import { parseInstant } from '../audit/instant.ts'
import { lookOf, noTrunc } from '../table.ts'
import type { CommandContext } from '../command-context.ts'
import type { Terminal } from '../streams.ts'
import { withoutCluster } from '../way/address.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printResult } from '../result/print-result.ts'
import { exceptionSettings } from './exception-settings.ts'
import { impactText } from './impact-text.ts'
import { ownHostsOf } from './own-hosts.ts'
import type { RunningCluster } from './running-cluster.ts'

type ImpactOptions = AuditOptions & {
  readonly file: readonly string[]
  readonly since: string
  readonly ownHost?: readonly string[]
  readonly output: Output
}

export function impactCommand(context: CommandContext): Command {
  const { terminal, finish } = context
  const gather = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]
  const command = new Command('impact')
    .description('say what policies of files would refuse, of recorded pulls and of running pods')
    .requiredOption('-f, --file <file>', 'a file of policies, or a folder of them; may be repeated', gather)
    .option('--since <time>', 'pulls since then, as ISO 8601 or so long ago', '7d')
    .option(...noTrunc)
    .option('--own-host <host>', 'a host under which pods name the registry; may be repeated', gather)
    .addOption(outputOption(...objectOutputs))
    .addHelpText(
      'after',
      `
Policies are judged as if they were enforced, by names and digests. Pulls are those of the registry's audit log, as "trow audit
query" finds it; pods are those of the cluster of the kube context, unless a folder or a registry is named.

Examples:
  trow policy impact -f production.yaml
  trow policy impact -f policies/ --since 30d -o json
  trow policy impact -f production.yaml --data /var/lib/trow

Exit code 0: nothing would be refused; 79: something would be.`,
    )
  return addAuditPlace(command).action(async (options: ImpactOptions) => {
    const now = Date.now()
    const since = parseInstant('--since', options.since, now) ?? now
    const written = ownHostsOf(options.ownHost ?? [])
    const cluster = await openRunning(options, terminal)
    try {
      const ownHosts = new Set([...written, ...((await cluster?.ownHosts()) ?? [])])
      const print = (line: string): void => void terminal.stderr.write(`${line}\n`)
      const loaded = loadSoundPolicies(options.file, exceptionSettings(ownHosts, now), print)
      const impact = new Impact({ ...loaded, settings: { ownHosts, shortNames: 'docker.io' }, now })
      const records = await addPulls(impact, options, { terminal, since, isNeeded: cluster === undefined })
      await cluster?.addTo(impact)
      const { pulls, pods, rows } = impact
      const told = {
        since: new Date(since).toISOString(),
        pulls: records === undefined ? undefined : pulls,
        pods,
        rows,
      }
      const isWhole = (records ?? 0) < mostEvents
      if (options.output !== 'text')
        await printResult('PolicyImpact', { ...told, isWhole }, options.output, terminal)
      else terminal.stdout.write(impactText(told, lookOf(terminal.stdout, terminal.env, options)))
      if (!isWhole) terminal.stderr.write(`only the newest ${mostEvents} records of pulls were looked at\n`)
      finish(rows.length === 0 ? 0 : exitCode.problemsFound)
    } finally {
      await cluster?.close()
    }
  })
}

/** Undefined: a folder or a registry is named and no cluster, or there is no kubeconfig. */
async function openRunning(options: ImpactOptions, terminal: Terminal): Promise<RunningCluster | undefined> {
  const { kubeconfig, context, namespace } = options
  const isNamed = (kubeconfig ?? context ?? namespace) !== undefined
  const { env } = terminal
  const isElsewhere =
    (options['folder'] ??
      options['data'] ??
      options['config'] ??
      options.registry ??
      (env['TROW_DATA'] || env['TROW_CONFIG'] || env['TROW_REGISTRY'])) !== undefined
  if (isElsewhere && !isNamed) return undefined
  // Loaded here: what reads a folder needs none of it.
  const { openRunningCluster } = await import('./running-cluster.ts')
  return openRunningCluster(options, terminal, isNamed)
}

/** Returns the number of records. Undefined: there is no audit log, and something else to look at. */
async function addPulls(
  impact: Impact,
  options: ImpactOptions,
  {
    terminal,
    since,
    isNeeded,
  }: { readonly terminal: Terminal; readonly since: number; readonly isNeeded: boolean },
): Promise<number | undefined> {
  const query = { action: 'pull', decision: 'allow', since }
  let records = 0
  // A cluster that is named beside a registry is that of the pods.
  const place = options.registry === undefined ? options : withoutCluster(options)
  try {
    for await (const event of askAudit(place, terminal, { kind: 'query', query, limit: mostEvents })) {
      records++
      await addPull(impact, event as AuditEvent)
    }
    return records
  } catch (error) {
    if (isNeeded || !(error instanceof UserError) || !noLog.includes(error.code)) throw error
    terminal.stderr.write(`no recorded pulls: ${error.message}\n`)
    return undefined
  }
}

/** Pods are worth a look also where trow is to be installed. */
const noLog = ['AUDIT_MISSING', 'REGISTRY_NOT_INSTALLED']

async function addPull(impact: Impact, { time, data }: AuditEvent): Promise<void> {
  const { repository, reference = '', digest, actor, count = 1 } = data
  if (repository === undefined) return
  const last = typeof data['lastTime'] === 'string' ? data['lastTime'] : time
  const isBlob = typeof data['route'] === 'string' && data['route'].includes('/blobs/')
  await impact.pulled({ repository, reference, digest, isBlob, user: actor?.user ?? '', count, last })
}
