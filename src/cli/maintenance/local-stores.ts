import { randomUUID } from 'node:crypto'
import type { Log } from '../../log.ts'
import { openEngines } from '../../storage/open-engines.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import { storageSettings } from '../../serve/storage-settings.ts'
import { maintenanceStores, type MaintenanceStores } from '../../serve/garbage/stores.ts'

/**
 * Opens the stores of a registry that no server serves, exclusively until they are closed. Throws UserError
 * NO_REGISTRY if there is none, and as `openEngines`.
 */
export async function openLocalStores(
  settings: Settings,
  { log, env }: { readonly log: Log; readonly env: Readonly<Record<string, string | undefined>> },
): Promise<{ readonly stores: MaintenanceStores; close(): Promise<void> }> {
  const engines = await openEngines(storageSettings(settings, env), { existing: true })
  const { metadata, blobs, close } = await engines.openStores()
  const local = { ...settings, 'fsck-rate': 0 }
  return {
    stores: maintenanceStores({
      metadata,
      blobs,
      log,
      settings: () => local,
      content: engines.content,
      holder: randomUUID(),
    }),
    async close() {
      await close()
      await engines.close()
    },
  }
}
