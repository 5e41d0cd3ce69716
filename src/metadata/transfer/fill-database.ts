import type { Connection } from '../postgres/connection.ts'
import { storable } from '../postgres/connection.ts'
import { movedQueues, movedRows, movedTables, type MovedRow, type MovedTable } from './moved-tables.ts'
import { TransferFile } from './transfer-file.ts'

/**
 * Writes a file of SQLite into the empty tables of a database, in the caller's transaction. A few rows are in memory
 * at a time. Throws UserError SCHEMA_NEWER.
 */
export async function fillDatabase(connection: Connection, path: string): Promise<void> {
  const file = TransferFile.open(path)
  try {
    for (const table of movedTables) {
      await fillTable(connection, file, table)
      if (table.numbered) await continueAfter(connection, table.name, 0)
    }
    // The next change of a policy is newer than those that came with the backup.
    await connection.run(
      'update policy_revision set revision = (select coalesce(max(version), 0) from policy_document)',
    )
    for (const { name, kind } of movedQueues) {
      const last = file.lastId(name)
      await fillTable(connection, file, { name, key: ['id'], rows: 100 })
      await connection.run(`update ${name} set place = id`)
      await connection.run('update outbox_head set place = $1 where kind = $2', [last, kind])
      await continueAfter(connection, name, last)
    }
  } finally {
    file.close()
  }
}

async function fillTable(connection: Connection, file: TransferFile, table: MovedTable): Promise<void> {
  const columns = file.columnsOf(table.name)
  for (let after: MovedRow | undefined; ;) {
    const rows = file.page(table, columns, after)
    after = rows.at(-1)
    const moved = movedRows(table, rows)
    if (moved.length > 0) await insert(connection, table, columns, moved)
    if (after === undefined || rows.length < table.rows) return
  }
}

async function insert(
  connection: Connection,
  table: MovedTable,
  columns: readonly string[],
  rows: readonly MovedRow[],
): Promise<void> {
  const lists = rows.map(
    (_, row) => `(${columns.map((_column, index) => `$${row * columns.length + index + 1}`).join(', ')})`,
  )
  const values = rows.flatMap((row) => columns.map((column) => storable(row[column])))
  await connection.run(
    `insert into ${table.name} (${columns.join(', ')}) overriding system value values ${lists.join(', ')}`,
    values,
    // Prepared once for all full pages of a table.
    rows.length === table.rows ? `restore.${table.name}` : undefined,
  )
}

/** The ids of new rows are larger than `least` and than those of all rows. */
async function continueAfter(connection: Connection, table: string, least: number): Promise<void> {
  await connection.run(
    `select setval(pg_get_serial_sequence('${table}', 'id'), greatest((select max(id) from ${table}), $1::bigint, 0) + 1, false)`,
    [least],
  )
}
