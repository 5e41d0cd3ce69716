import { renameSync } from 'node:fs'
import { flush } from '../flush.ts'
import { readTotals } from '../metadata/sqlite/snapshot-file.ts'
import { databasePath } from '../metadata/sqlite/sqlite-file.ts'
import { restoringPath, type MetadataTarget } from './metadata-target.ts'
import type { StorageSettings } from './storage-engine.ts'

/** Throws UserError as `openRestoreStorage`. */
export async function openMetadataTarget(settings: StorageSettings): Promise<MetadataTarget> {
  const { folder, database } = settings
  if (database !== undefined) {
    const { openDatabaseTarget } = await import('./database-target.ts')
    return openDatabaseTarget(folder, database)
  }
  const path = databasePath(folder)
  return {
    owner: undefined,
    async take() {
      await flush(restoringPath(folder))
      renameSync(restoringPath(folder), path)
      await flush(folder)
    },
    totals: () => readTotals(path),
    close: () => undefined,
  }
}
