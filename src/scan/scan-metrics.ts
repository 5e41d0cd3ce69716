import type { RunningFindings } from './running-findings.ts'

export interface ScanCounts {
  /** Undefined: no scan has ended yet. */
  readonly findings: RunningFindings | undefined
  readonly failures: number
}

/** Pairs of namespace and policy with a line of their own; the rest are summed by policy. */
const mostPairs = 200

/** Prometheus text. No label names an image. */
export function scanMetrics({ findings, failures }: ScanCounts): string {
  const failed = metric('trow_scan_failures_total', 'counter', 'Scans of running pods that failed', [
    [{}, failures],
  ])
  if (findings === undefined) return failed
  const { at, seconds, pods, notLookedAt, unchecked, excepted, violating } = findings
  const gauge = (name: string, help: string, value: number): string =>
    metric(name, 'gauge', help, [[{}, value]])
  return [
    metric(
      'trow_running_violations',
      'gauge',
      'Running pods that a policy refuses; namespace "" stands for those beyond 200',
      violations(findings),
    ),
    gauge(
      'trow_scan_last_time_seconds',
      'When running pods were last read, since 1970',
      Date.parse(at) / 1000,
    ),
    gauge('trow_scan_duration_seconds', 'How long the last scan took', seconds),
    gauge('trow_scan_pods', 'Running pods in the last scan', pods),
    gauge('trow_scan_pods_not_looked_at', 'Running pods for which there was no room', notLookedAt),
    gauge('trow_scan_pods_violating', 'Running pods that any policy refuses', violating),
    gauge('trow_scan_pods_unchecked', 'Running pods with an image that could not be checked', unchecked),
    gauge('trow_scan_pods_excepted', 'Running pods that an exception lets run', excepted),
    failed,
  ].join('')
}

type Labels = Readonly<Record<string, string>>

function violations({ namespaces, policies }: RunningFindings): (readonly [Labels, number])[] {
  const own = namespaces.slice(0, mostPairs)
  const others = new Map<string, number>()
  for (const { policy, pods } of policies) others.set(policy, (others.get(policy) ?? 0) + pods)
  for (const { policy, pods } of own) others.set(policy, (others.get(policy) ?? 0) - pods)
  return [
    ...own.map(({ namespace, policy, pods }) => [{ namespace, policy }, pods] as const),
    ...[...others]
      .filter(([, pods]) => pods > 0)
      .map(([policy, pods]) => [{ namespace: '', policy }, pods] as const),
  ]
}

function metric(
  name: string,
  type: string,
  help: string,
  samples: readonly (readonly [Labels, number])[],
): string {
  const lines = samples.map(([labels, value]) => `${name}${labelText(labels)} ${value}\n`)
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${value.replace(/[\\"\n]/g, escaped)}"`,
  )
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escaped(character: string): string {
  return character === '\n' ? String.raw`\n` : `\\${character}`
}
