import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { flush } from '../flush.ts'
import { readTotals } from '../metadata/sqlite/snapshot-file.ts'
import { databasePath } from '../metadata/sqlite/sqlite-file.ts'
import { restoringPath, type MetadataTarget } from './metadata-target.ts'
import { writePolicyFolder, type TakenPolicies } from './policy-folder.ts'
import type { StorageSettings } from './storage-engine.ts'

/** Of the data folder; `policies` holds those that were last good. */
const policyFolderName = 'restored-policies'

/** Throws UserError as `openRestoreStorage`. */
export async function openMetadataTarget(settings: StorageSettings): Promise<MetadataTarget> {
  const { folder, database } = settings
  if (database !== undefined) {
    const { openDatabaseTarget } = await import('./database-target.ts')
    return openDatabaseTarget(folder, database)
  }
  const path = databasePath(folder)
  let policies: TakenPolicies = { count: 0, folder: undefined }
  return {
    owner: undefined,
    async take() {
      policies = await writePolicyFolder(restoringPath(folder), join(folder, policyFolderName))
      await flush(restoringPath(folder))
      renameSync(restoringPath(folder), path)
      await flush(folder)
    },
    totals: () => readTotals(path),
    policies: () => policies,
    close: () => undefined,
  }
}
