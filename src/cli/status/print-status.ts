import { hasProblems } from '../../cluster/check.ts'
import type { RunningFindings } from '../../scan/running-findings.ts'
import type { NodeRow } from '../../status/node-row.ts'
import type { Status } from '../../status/status.ts'
import type { Result } from '../result/print-result.ts'
import { checkLines } from '../check-lines.ts'
import { printTable, type Look } from '../table.ts'

/** Formats for people: the checks, the table of nodes, and what to do next. */
export function printStatus(
  { installed, served, categories, nodes, unseen }: Status,
  { look, short, context }: { readonly look: Look; readonly short: boolean; readonly context: string },
): string {
  const parts: string[] = []
  if (served !== undefined && !short) parts.push(`trow ${served.version} serves ${served.folder}\n`)
  if (installed !== undefined && !short)
    parts.push(
      `trow ${installed.version} in namespace ${installed.namespace}, context ${context}\nimages: ${installed.imageHost}/NAMESPACE/NAME:TAG\n`,
    )
  parts.push(checkLines(categories, { ...look, short }))
  if (nodes.length > 0 && !short) parts.push(nodeTable(nodes, look))
  if (unseen.length > 0)
    parts.push(`could not be looked at:\n${unseen.map((each) => `  ${each}\n`).join('')}`)
  if (installed !== undefined && !short && !hasProblems(categories))
    parts.push(
      `next:\n  trow push IMAGE          send a local image\n  kubectl run NAME --image ${installed.imageHost}/NAMESPACE/NAME:TAG\n  trow audit query         who did what\n`,
    )
  return parts.filter((part) => part !== '').join('\n')
}

/** The largest number of nodes in the table. */
const mostRows = 20

/** If there are more nodes than rows, nodes with problems come first. */
function nodeTable(nodes: readonly NodeRow[], look: Look): string {
  const isWell = ({ state }: NodeRow): boolean => state === 'healthy'
  const sorted = [...nodes.filter((row) => !isWell(row)), ...nodes.filter(isWell)]
  const shown = nodes.length > mostRows ? sorted.slice(0, mostRows) : nodes
  const left = sorted.slice(shown.length)
  const ill = left.filter((row) => !isWell(row)).length
  const table = printTable(
    [
      ['NODE', 'STATE', 'RUNTIME', 'CLASS', 'TRUST', 'IDENTITY', 'LAST PULL'],
      ...shown.map((row) => [
        row.node,
        row.state,
        row.runtime,
        row.class,
        row.trust,
        row.identity,
        row.lastPull,
      ]),
    ],
    look,
    { STATE: (state) => (state === 'healthy' ? 'good' : 'bad') },
  )
  return left.length === 0
    ? table
    : `${table}and ${left.length} more, ${ill === 0 ? 'all of them healthy' : `${left.length - ill} of them healthy`}; -o json shows every node\n`
}

/** Formats for programs: the checks by category, the nodes, what could not be read, and what runs. */
export function statusResult(status: Status, running: RunningFindings | undefined): Result<'Status'> {
  const { installed, served, categories, nodes, unseen } = status
  return { success: isHealthy(status), installed, served, categories, nodes, unseen, running }
}

/** A status that could not be read completely never counts as healthy. */
export function isHealthy({ installed, served, categories, unseen }: Status): boolean {
  return (installed ?? served) !== undefined && unseen.length === 0 && !hasProblems(categories)
}
