import { randomUUID } from 'node:crypto'
import { createReadStream, rmSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ByteSource, DataKey } from '../../blobs/blob-store.ts'
import type { Digest } from '../../oci/digest.ts'
import type { ContentTotals, MetadataSnapshot } from '../metadata-store.ts'
import { makeOwnerOnly } from './owner-only.ts'
import { storedBlobs } from '../rules/statements/reads.ts'
import { snapshotFormat, snapshotPrefix, totalsOf } from './snapshot-file.ts'
import { SqliteDatabase } from './sqlite-database.ts'

/** Writes a compacted copy of the database beside it, as one read transaction sees it. */
export function takeSnapshot(database: SqliteDatabase, folder: string): MetadataSnapshot {
  const path = join(folder, `${snapshotPrefix}${randomUUID()}.db`)
  try {
    makeOwnerOnly(path)
    database.execute(`vacuum into '${path.replaceAll("'", "''")}'`)
  } catch (error) {
    rmSync(path, { force: true })
    throw error
  }
  return new SqliteSnapshot(path)
}

export class SqliteSnapshot implements MetadataSnapshot {
  readonly format = snapshotFormat
  readonly size: number
  readonly #path: string
  readonly #database: SqliteDatabase

  constructor(path: string) {
    this.#path = path
    this.size = statSync(path).size
    this.#database = new SqliteDatabase(path, { readOnly: true })
  }

  async totals(): Promise<ContentTotals> {
    return totalsOf(this.#database)
  }

  stream(): ByteSource {
    return createReadStream(this.#path)
  }

  async *storedBlobs(): AsyncGenerator<{ digest: Digest; key: DataKey; size: number }> {
    for (let after = 0; ;) {
      const rows = this.#database.all(storedBlobs, { after, limit: 500 })
      for (const row of rows) {
        yield { digest: row.digest as Digest, key: row.data_key as DataKey, size: row.size }
        after = row.id
      }
      if (rows.length < 500) return
    }
  }

  async close(): Promise<void> {
    this.#database.close()
    await rm(this.#path, { force: true })
  }
}
