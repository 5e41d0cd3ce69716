import type { ImpactRow, ImpactSum } from '../../scan/impact.ts'
import { printTable, type Look } from '../table.ts'
import { counted, nounFor } from '../../counted.ts'

const mostRows = 100
const mostOwners = 3

/** What would be refused, what happens most first, and how much that is of all. */
export function impactText(
  {
    since,
    pulls,
    pods,
    rows,
  }: {
    readonly since: string
    /** Undefined: not looked at. */
    readonly pulls: ImpactSum | undefined
    readonly pods: ImpactSum | undefined
    readonly rows: readonly ImpactRow[]
  },
  look?: Look,
): string {
  const table =
    rows.length === 0
      ? ''
      : `${printTable([['IMAGE', 'REASON', 'POLICY', 'HOW OFTEN', 'LAST', 'WHO'], ...rows.slice(0, mostRows).map(cells)], look)}\n`
  const more =
    rows.length > mostRows ? `and ${counted(rows.length - mostRows, 'more line')}: -o json has all\n` : ''
  return [
    table,
    more,
    pulls === undefined ? '' : sumLine(`pulls since ${since.slice(0, 19)}Z`, pulls, 'image'),
    sumLine('running', pods, 'pod'),
  ].join('')
}

function sumLine(what: string, sum: ImpactSum | undefined, noun: string): string {
  if (sum === undefined) return `${what}: no ${noun}s were looked at\n`
  const { refused, total, unchecked } = sum
  const rest = unchecked === 0 ? '' : `; of ${number(unchecked)} it would have to see the content`
  return `${what}: would refuse ${number(refused)} of ${number(total)} ${nounFor(total, noun)}${rest}\n`
}

function cells({ source, image, reason, policy, count, last, owners, moreOwners }: ImpactRow): string[] {
  const unseen = Math.max(0, owners.length - mostOwners) + moreOwners
  const who = `${owners.slice(0, mostOwners).join(', ')}${unseen > 0 ? ` and ${unseen} more` : ''}`
  const unit = source === 'pull' ? 'pull' : 'pod'
  const often = `${number(count)} ${nounFor(count, unit)}`
  return [image, reason, policy, often, last === undefined ? 'runs now' : `${last.slice(0, 19)}Z`, who]
}

function number(value: number): string {
  return value.toLocaleString('en-US')
}
