import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { MetadataSnapshot } from '../metadata-store.ts'
import { Connection, type ConnectionOptions } from '../postgres/connection.ts'
import { snapshotPrefix } from '../sqlite/snapshot-file.ts'
import { SqliteSnapshot } from '../sqlite/sqlite-snapshot.ts'
import { keyOf, movedQueues, movedRows, movedTables, pageOf, type MovedRow } from './moved-tables.ts'
import { TransferFile } from './transfer-file.ts'

/**
 * Writes what one transaction sees of the database into a file of SQLite, so that a backup is the same whichever
 * engine a registry has. A few rows are in memory at a time.
 */
export async function takeDatabaseSnapshot(
  connect: () => ConnectionOptions,
  folder: string,
): Promise<MetadataSnapshot> {
  const path = join(folder, `${snapshotPrefix}${randomUUID()}.db`)
  const connection = await Connection.open(connect())
  try {
    await connection.run('begin isolation level repeatable read read only')
    const file = TransferFile.create(path)
    try {
      await copyTables(connection, file)
      await copyQueues(connection, file)
      file.commit()
    } finally {
      file.close()
    }
    return new SqliteSnapshot(path)
  } catch (error) {
    await rm(path, { force: true })
    throw error
  } finally {
    connection.close()
  }
}

async function copyTables(connection: Connection, file: TransferFile): Promise<void> {
  for (const table of movedTables) {
    const columns = file.columnsOf(table.name)
    for (let after: readonly unknown[] | undefined; ;) {
      const text = pageOf(table, columns, (index) => `$${index + 1}`, after !== undefined)
      const { rows } = await connection.run<MovedRow>(text, after)
      file.add(table.name, columns, movedRows(table, rows))
      const last = rows.at(-1)
      if (last === undefined || rows.length < table.rows) break
      after = keyOf(table, last)
    }
  }
}

/** Records that have no place yet get those that they would get next. */
async function copyQueues(connection: Connection, file: TransferFile): Promise<void> {
  for (const { name, kind } of movedQueues) {
    const { rows: heads } = await connection.run<{ place: number }>(
      'select place from outbox_head where kind = $1',
      [kind],
    )
    let last = heads[0]?.place ?? 0
    for (const [isWaiting, order] of [
      [false, 'place'],
      [true, 'id'],
    ] as const) {
      for (let after = 0; ;) {
        const { rows } = await connection.run<
          MovedRow & { readonly id: number; readonly place: number | null }
        >(
          `select id, place, note, facts, total from ${name} where (place is null) = $1 and ${order} > $2 order by ${order} limit 100`,
          [isWaiting, after],
        )
        file.add(
          name,
          ['id', 'note', 'facts', 'total'],
          rows.map((row) => ({ ...row, id: row.place ?? ++last })),
        )
        const end = rows.at(-1)
        if (end === undefined) break
        after = isWaiting ? end.id : (end.place ?? 0)
      }
    }
    file.continueAfter(name, last)
  }
}
