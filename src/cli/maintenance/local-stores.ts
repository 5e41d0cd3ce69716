import { randomUUID } from 'node:crypto'
import type { Log } from '../../log.ts'
import { openEngines } from '../../storage/open-engines.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import { storageSettings } from '../../serve/storage-settings.ts'
import { maintenanceStores, type MaintenanceStores } from '../../serve/garbage/stores.ts'

/**
 * The stores of a registry that nobody serves, nobody else's until closed. Throws UserError NO_REGISTRY where there is none,
 * and as `openEngines` does.
 */
export async function openLocalStores(
  settings: Settings,
  log: Log,
): Promise<{ readonly stores: MaintenanceStores; close(): Promise<void> }> {
  const engines = await openEngines(storageSettings(settings), { existing: true })
  const { metadata, blobs, close } = await engines.openStores()
  const local = { ...settings, 'fsck-rate': 0 }
  return {
    stores: maintenanceStores({ metadata, blobs, log, settings: local, holder: randomUUID() }),
    async close() {
      await close()
      await engines.close()
    },
  }
}
