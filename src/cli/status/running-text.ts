import { counted } from '../../counted.ts'
import type { RunningFindings } from '../../scan/running-findings.ts'
import { printTable, type Look } from '../table.ts'

/** Milliseconds: a scan is written at least every 10 min, so an older one has no successor. */
const longestSilence = 1_800_000

/** How much runs that policies refuse, and whose it is: those with most pods. */
export function runningText(findings: RunningFindings, now: number, look?: Look): string {
  const { at, pods, violating, unchecked, excepted, notLookedAt, owners, policies } = findings
  const age = now - Date.parse(at)
  const isOld = age > longestSilence
  const byPolicy = policies.map(
    ({ policy, mode, pods: refused }) => `${policy === '' ? 'no policy' : policy} (${mode}) ${refused}`,
  )
  const more = [
    unchecked === 0 ? [] : `${unchecked} could not be checked`,
    excepted === 0 ? [] : `exceptions let ${excepted} run`,
    notLookedAt === 0 ? [] : `${notLookedAt} were not looked at`,
  ].flat()
  const lines = [
    `running   policies refuse ${violating} of ${counted(pods, 'pod')}${byPolicy.length === 0 ? '' : `: ${byPolicy.join(', ')}`}`,
    ...(more.length === 0 ? [] : [`          ${more.join(', ')}`]),
    `          as of ${at.slice(0, 19)}Z${isOld ? ': nothing has scanned since' : ''}`,
  ]
  const rows = owners.map(({ namespace, owner, isStatic, pods: refused, policies: by, reasons }) => [
    namespace,
    `${owner.kind}/${owner.name}${isStatic ? ' (static)' : ''}`,
    String(refused),
    by.join(','),
    reasons.join(','),
  ])
  const table =
    rows.length === 0
      ? ''
      : `\n${printTable([['NAMESPACE', 'OWNER', 'PODS', 'POLICIES', 'REASONS'], ...rows], look)}`
  return `${lines.join('\n')}\n${table}`
}
