import { resolve } from 'node:path'
import { checkWritable } from './data-folder.ts'
import { checkNoDatabase, checkNoMetadata } from './registry-mark.ts'
import type { StorageSettings } from './storage-engine.ts'

/**
 * Returns what `openEngines` would refuse of the settings, of the files that they name and of the data folder. Reads
 * only: makes and locks nothing, and asks neither the database nor the bucket. Each check throws UserError.
 */
export function storageChecks(settings: StorageSettings): readonly (() => unknown)[] {
  const folder = resolve(settings.folder)
  const { database } = settings
  return [
    () => checkWritable(folder),
    () => (database === undefined ? checkNoDatabase(folder) : checkNoMetadata(folder)),
    // Loaded only where they are used, as at the start.
    async () =>
      database && (await import('../metadata/postgres/check-server.ts')).checkDatabaseFiles(database),
    async () => settings.s3 && (await import('./bucket/open-bucket.ts')).bucketFor({ ...settings, folder }),
  ]
}
