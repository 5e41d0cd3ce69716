import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { openDiskBlobStore } from '../../blobs/disk/disk-blob-store.ts'
import type { Log } from '../../log.ts'
import { databasePath } from '../../metadata/sqlite/sqlite-file.ts'
import { UserError } from '../../user-error.ts'
import type { Settings } from '../settings-schema.ts'
import { openDataFolder } from '../../storage/data-folder.ts'
import { maintenanceStores, type MaintenanceStores } from './stores.ts'

/**
 * The stores of a folder that nobody serves, locked until closed. Throws UserError NO_REGISTRY where there is none,
 * and as `openDataFolder` does.
 */
export async function openLocalStores(
  settings: Settings,
  log: Log,
): Promise<{ readonly stores: MaintenanceStores; close(): Promise<void> }> {
  if (!existsSync(databasePath(settings.data))) {
    throw new UserError('NO_REGISTRY', `${settings.data} holds no registry`, {
      hint: 'Name the data folder of the registry with --data.',
    })
  }
  // Loaded here, not with every command: `trow serve` is to start fast, and its main thread needs little.
  const { openLocalMetadata } = await import('../../metadata/sqlite/sqlite-metadata-store.ts')
  const { path, lock } = openDataFolder(settings.data)
  const metadata = openLocalMetadata({ folder: path })
  const blobs = await openDiskBlobStore({ folder: path, reserve: 0 })
  const local = { ...settings, 'fsck-rate': 0 }
  return {
    stores: maintenanceStores({ metadata, blobs, log, settings: local, holder: randomUUID() }),
    async close() {
      await blobs.close()
      await metadata.close()
      lock.release()
    },
  }
}
