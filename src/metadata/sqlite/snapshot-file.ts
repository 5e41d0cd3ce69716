import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { SqliteDatabase } from './sqlite-database.ts'

export const snapshotFormat = 'sqlite'

export const snapshotPrefix = 'snapshot-'

/** What a process that was killed during a backup has left; only for the owner of the folder. */
export function removeStaleSnapshots(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.startsWith(snapshotPrefix) && /\.db(-journal|-wal|-shm)?$/.test(name))
      rmSync(join(folder, name), { force: true })
  }
}

/** Makes a restored file ready to be served: uploads and their staged bytes were not in the backup. */
export function forgetUploads(path: string): void {
  const database = new SqliteDatabase(path)
  try {
    database.execute('delete from upload; delete from pending_delete; delete from lease')
  } finally {
    database.close()
  }
}
