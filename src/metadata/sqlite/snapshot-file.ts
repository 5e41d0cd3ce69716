import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ContentTotals } from '../metadata-store.ts'
import { counts } from '../rules/statements/reads.ts'
import { SqliteDatabase } from './sqlite-database.ts'

export const snapshotFormat = 'sqlite'

export const snapshotPrefix = 'snapshot-'

/**
 * Deletes what a process killed during a backup has left. To be called only by the process that owns the
 * folder.
 */
export function removeStaleSnapshots(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.startsWith(snapshotPrefix) && /\.db(-journal|-wal|-shm)?$/.test(name))
      rmSync(join(folder, name), { force: true })
  }
}

export function totalsOf(database: SqliteDatabase): ContentTotals {
  const totals = database.get(counts, {})
  if (totals === undefined) throw new Error('the database gave no counts')
  const { blobs, bytes, manifests } = totals
  return { blobs, bytes, manifests }
}

/** Returns what a file holds that no process has open. */
export function readTotals(path: string): ContentTotals {
  const database = new SqliteDatabase(path)
  try {
    return totalsOf(database)
  } finally {
    database.close()
  }
}

/** Makes a restored file ready to be served: uploads and their staged bytes were not in the backup, and its marks were not of these blobs. */
export function forgetUploads(path: string): void {
  const database = new SqliteDatabase(path)
  try {
    database.execute(
      `delete from upload; delete from pending_delete; delete from lease;
       delete from setting where name = 'commit-marks'`,
    )
  } finally {
    database.close()
  }
}
