import * as z from 'zod'
import type { Connection } from '../../../src/metadata/postgres/connection.ts'
import type { SqlValue } from '../../../src/metadata/rules/bind.ts'
import type { NamedStatement } from './every-statement.ts'

const planNode = z.object({
  'Node Type': z.string(),
  'Relation Name': z.string().optional(),
  'Index Cond': z.string().optional(),
  Filter: z.string().optional(),
  'Rows Removed by Filter': z.number().optional(),
  'Rows Removed by Join Filter': z.number().optional(),
  'Actual Loops': z.number().optional(),
  'Actual Rows': z.number().optional(),
  'Shared Hit Blocks': z.number().optional(),
  'Shared Read Blocks': z.number().optional(),
  get Plans() {
    return z.array(planNode).optional()
  },
})
type PlanNode = z.infer<typeof planNode>
const answer = z.array(z.object({ Plan: planNode, 'Execution Time': z.number().optional() })).length(1)

export interface Plan {
  readonly root: PlanNode
  /** Pages of 8 KiB that were touched, with those of indexes; undefined: the statement was not run. */
  readonly pages: number | undefined
  /** Rows that were read and of no use. */
  readonly vain: number
  /** Milliseconds; undefined: the statement was not run. */
  readonly time: number | undefined
}

/** The plan for any values: the connection has `force_generic_plan`. The statement is not run. */
export async function planOf(connection: Connection, { name, sql, bind }: NamedStatement): Promise<Plan> {
  await connection.run(`prepare "${name}" as ${sql}`)
  return explain(connection, '', name, bind({}))
}

/** Runs a statement that `planOf` has prepared, and undoes what it did. */
export async function runPlan(
  connection: Connection,
  name: string,
  values: readonly SqlValue[],
): Promise<Plan> {
  await connection.run('begin')
  try {
    return await explain(connection, 'analyze, buffers, timing off, ', name, values)
  } finally {
    await connection.run('rollback')
  }
}

async function explain(
  connection: Connection,
  how: string,
  name: string,
  values: readonly SqlValue[],
): Promise<Plan> {
  const given = values.length === 0 ? '' : `(${values.map(literal).join(', ')})`
  const { rows } = await connection.run(`explain (${how}format json) execute "${name}"${given}`)
  const [{ Plan: root, 'Execution Time': time }] = answer.parse(rows[0]?.['QUERY PLAN']) as [
    z.infer<typeof answer>[number],
  ]
  const { 'Shared Hit Blocks': hit, 'Shared Read Blocks': read } = root
  return {
    root,
    time,
    vain: vainIn(root),
    pages: hit === undefined || read === undefined ? undefined : hit + read,
  }
}

function vainIn(node: PlanNode): number {
  const removed =
    (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Join Filter'] ?? 0) + sortedInVain(node)
  return (node.Plans ?? []).reduce((sum, each) => sum + vainIn(each), removed * (node['Actual Loops'] ?? 1))
}

/** Rows that were read for a sort, and cut off by its limit. */
function sortedInVain({
  'Node Type': type,
  'Actual Rows': rows = 0,
  Plans: [sorted] = [],
}: PlanNode): number {
  return type === 'Sort' ? (sorted?.['Actual Rows'] ?? 0) - rows : 0
}

function literal(value: SqlValue): string {
  if (value === null || value === undefined) return 'null'
  if (value instanceof Uint8Array) return `'\\x${Buffer.from(value).toString('hex')}'`
  return typeof value === 'number' ? String(value) : `'${value.replaceAll("'", "''")}'`
}

/** What a plan does that takes longer the larger a table is. */
export function growing(root: PlanNode, isSmall: (table: string) => boolean): readonly string[] {
  const found: string[] = []
  const visit = (node: PlanNode, isLimited: boolean): void => {
    const { 'Node Type': type, 'Relation Name': table, 'Index Cond': condition, Filter: filter, Plans } = node
    if (table !== undefined && !isSmall(table)) {
      if (type === 'Seq Scan' || type.startsWith('Bitmap')) found.push(`${type} on ${table}`)
      // In the order of an index up to a limit, a scan reads what it returns.
      else if (type.startsWith('Index') && condition === undefined && (!isLimited || filter !== undefined))
        found.push(`${type} of all of ${table}`)
    }
    if ((type.startsWith('Hash') || type === 'Merge Join') && tablesOf(node).some((each) => !isSmall(each)))
      found.push(`${type} of ${tablesOf(node).join(', ')}`)
    for (const each of Plans ?? []) visit(each, isLimited || type === 'Limit')
  }
  visit(root, false)
  return found
}

function tablesOf(node: PlanNode): readonly string[] {
  const { 'Relation Name': table, Plans } = node
  return [...(table === undefined ? [] : [table]), ...(Plans ?? []).flatMap(tablesOf)]
}
