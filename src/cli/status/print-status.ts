import { hasProblems } from '../../cluster/check.ts'
import type { NodeRow } from '../../status/node-row.ts'
import type { Status } from '../../status/status.ts'
import { checkLines } from '../check-lines.ts'
import type { Colors } from '../display.ts'
import { printTable } from '../registry/table.ts'

/** For people: the checks, the table of nodes, and what to do next. */
export function printStatus(
  { installed, categories, nodes, unseen }: Status,
  { colors, short, context }: { readonly colors: Colors; readonly short: boolean; readonly context: string },
): string {
  const parts: string[] = []
  if (installed !== undefined && !short)
    parts.push(
      `trow ${installed.version} in namespace ${installed.namespace}, context ${context}\nimages: ${installed.imageHost}/NAMESPACE/NAME:TAG\n`,
    )
  parts.push(checkLines(categories, { colors, short }))
  if (nodes.length > 0 && !short) parts.push(nodeTable(nodes))
  if (unseen.length > 0)
    parts.push(`could not be looked at:\n${unseen.map((each) => `  ${each}\n`).join('')}`)
  if (installed !== undefined && !short && !hasProblems(categories))
    parts.push(
      `next:\n  trow push IMAGE          send a local image\n  kubectl run NAME --image ${installed.imageHost}/NAMESPACE/NAME:TAG\n  trow audit query         who did what\n`,
    )
  return parts.filter((part) => part !== '').join('\n')
}

/** Nodes that a person is shown in a table. */
const mostRows = 20

/** Where there are many, those that are not well first. */
function nodeTable(nodes: readonly NodeRow[]): string {
  const isWell = ({ state }: NodeRow): boolean => state === 'healthy'
  const sorted = [...nodes.filter((row) => !isWell(row)), ...nodes.filter(isWell)]
  const shown = nodes.length > mostRows ? sorted.slice(0, mostRows) : nodes
  const left = sorted.slice(shown.length)
  const ill = left.filter((row) => !isWell(row)).length
  const table = printTable([
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
  ])
  return left.length === 0
    ? table
    : `${table}and ${left.length} more, ${ill === 0 ? 'all of them healthy' : `${left.length - ill} of them healthy`}; -o json shows every node\n`
}

/** For machines: the checks by category, the nodes, and what could not be seen. */
export function statusJson(status: Status): string {
  const { installed, categories, nodes, unseen } = status
  return `${JSON.stringify({ success: isHealthy(status), installed, categories, nodes, unseen }, undefined, 2)}\n`
}

/** What could not be looked at is no evidence of health. */
export function isHealthy({ installed, categories, unseen }: Status): boolean {
  return installed !== undefined && unseen.length === 0 && !hasProblems(categories)
}
