import { dirname, join } from 'node:path'
import { reasonOf } from '../../reason-of.ts'
import { UserError } from '../../user-error.ts'
import { migrate } from './migrations.ts'
import { makeOwnerOnly } from './owner-only.ts'
import { SqliteDatabase } from './sqlite-database.ts'
import { removeStaleSnapshots } from './snapshot-file.ts'

export function databasePath(folder: string): string {
  return join(folder, 'trow.db')
}

/** Opens the file for its only writer and brings it to this program's schema. Throws UserError. */
export function openForWriting(path: string): SqliteDatabase {
  const database = openFile(path)
  try {
    // Takes effect only before the first table is created. It lets trow return room without rewriting the
    // file.
    database.execute('pragma auto_vacuum=INCREMENTAL')
    database.execute('pragma journal_mode=WAL')
    database.execute('pragma synchronous=FULL')
    database.execute('pragma wal_autocheckpoint=8000')
    // Small, because most commits walk the whole cache (SQLite renumbers pages when it splits them); the
    // operating system caches the rest.
    database.execute('pragma cache_size=-8192')
    // SQLite's statement journals stay in memory, not in temporary files.
    database.execute('pragma temp_store=MEMORY')
    migrate(database, path)
    // One process owns the folder: a lease that is still stored belongs to a process that has ended.
    database.execute('delete from lease')
    removeStaleSnapshots(dirname(path))
    return database
  } catch (error) {
    database.close()
    throw error instanceof UserError ? error : notUsable(path, error)
  }
}

/** Opens a connection that only reads. The file must have been opened for writing before. */
export function openForReading(path: string): SqliteDatabase {
  const database = new SqliteDatabase(path, { readOnly: true })
  database.execute('pragma mmap_size=268435456')
  database.execute('pragma cache_size=-16384')
  return database
}

function openFile(path: string): SqliteDatabase {
  try {
    // The file holds the keys that sign tokens and log heads.
    makeOwnerOnly(path)
    return new SqliteDatabase(path)
  } catch (error) {
    throw notUsable(path, error)
  }
}

function notUsable(path: string, cause: unknown): UserError {
  return new UserError('DATABASE_UNUSABLE', `${path} cannot be used: ${reasonOf(cause)}`, {
    hint: 'Check that the folder can be written, that its disk has room, and that the file is a trow database; restore a backup where it is damaged.',
    cause,
  })
}
