/** A table whose rows a backup holds, and in which order they are read and written. */
export interface MovedTable {
  readonly name: string
  readonly key: readonly string[]
  /** Rows that are read at once: a body may have megabytes. */
  readonly rows: number
  /** The engine gives a new row its id, after the largest. */
  readonly numbered?: true
}

/**
 * Everything that a registry is, in both engines. What is not here belongs to one process, one database or one place
 * of the blobs: uploads, pending deletions, leases, the log of changes.
 */
export const movedTables: readonly MovedTable[] = [
  { name: 'repository', key: ['id'], rows: 500, numbered: true },
  { name: 'manifest', key: ['id'], rows: 500, numbered: true },
  { name: 'manifest_body', key: ['manifest_id'], rows: 16 },
  { name: 'manifest_reference', key: ['repository_id', 'child', 'manifest_id'], rows: 500 },
  { name: 'tag', key: ['repository_id', 'name'], rows: 500 },
  { name: 'past_manifest', key: ['repository_id', 'digest'], rows: 500 },
  { name: 'past_tag', key: ['id'], rows: 500, numbered: true },
  { name: 'blob', key: ['id'], rows: 500, numbered: true },
  { name: 'blob_body', key: ['blob_id'], rows: 16 },
  { name: 'repository_blob', key: ['repository_id', 'blob_id'], rows: 500 },
  { name: 'setting', key: ['name'], rows: 50 },
  { name: 'robot', key: ['name'], rows: 500 },
  { name: 'signing_key', key: ['id'], rows: 500 },
  { name: 'login_source', key: ['name', 'network'], rows: 500 },
  { name: 'policy_document', key: ['kind', 'name'], rows: 16 },
]

/** Audit records that wait for the log. Their numbers are places in PostgreSQL and ids in SQLite. */
export const movedQueues = [
  { name: 'outbox', kind: 'changes' },
  { name: 'denial_outbox', kind: 'denials' },
] as const

/** Settings of one database, or of one place of the blobs. */
const ownSettings: readonly string[] = [
  'bucket',
  'bucket-marked',
  'commit-marks',
  'garbage-clock',
  'policy-generation',
  'probe',
  'registry-id',
]

export type MovedRow = Readonly<Record<string, string | number | Uint8Array | null>>

/** Those of a page of rows that are moved. */
export function movedRows({ name }: MovedTable, rows: readonly MovedRow[]): readonly MovedRow[] {
  return name === 'setting' ? rows.filter((row) => !ownSettings.includes(String(row['name']))) : rows
}

/**
 * Selects the rows after those with the key `after`, in pages; the same words for both engines, but for `variable`: how a value of
 * the key is written.
 */
export function pageOf(
  { name, key, rows }: MovedTable,
  columns: readonly string[],
  variable: (index: number) => string,
  after: boolean,
): string {
  const from = after
    ? ` where (${key.join(', ')}) > (${key.map((_, index) => variable(index)).join(', ')})`
    : ''
  return `select ${columns.join(', ')} from ${name}${from} order by ${key.join(', ')} limit ${rows}`
}

export function keyOf({ key }: MovedTable, row: MovedRow): readonly MovedRow[string][] {
  return key.map((column) => row[column] ?? null)
}
