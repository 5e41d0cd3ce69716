import { openStoresWith } from './local-stores.ts'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { databasePath } from '../metadata/sqlite/sqlite-file.ts'
import type { Outbox } from '../metadata/outbox.ts'
import { UserError } from '../user-error.ts'
import { openDataFolder } from './data-folder.ts'
import { EmbeddedEngine } from './embedded-engine.ts'
import type { OpenedContent } from './content-engine.ts'
import { openContent } from './open-content.ts'
import { checkNoDatabase } from './registry-mark.ts'
import type { Engines, LocalStores, StorageSettings } from './storage-engine.ts'

/**
 * Opens the storage that the settings name, exclusively if it cannot be shared, and migrates it to this
 * program's schema. Creates what is missing; with `existing` a missing registry is UserError NO_REGISTRY.
 * Throws UserError as `openDataFolder`, `openContent` and `openDatabase` do.
 */
export async function openEngines(
  settings: StorageSettings,
  { existing = false }: { readonly existing?: boolean } = {},
): Promise<Engines> {
  if (settings.database !== undefined) {
    const { openDatabase } = await import('./open-database.ts')
    return openDatabase(settings, settings.database, { existing })
  }
  checkNoDatabase(resolve(settings.folder))
  if (existing && !hasRegistry(settings)) {
    throw new UserError('NO_REGISTRY', `${settings.folder} holds no registry`, {
      hint: 'Name the data folder of the registry with --data.',
    })
  }
  const content = await openContent(settings)
  try {
    const { path: folder, lock, fresh } = openDataFolder(settings.folder)
    try {
      await content.claim()
    } catch (error) {
      lock.release()
      throw error
    }
    const opened = { ...settings, folder }
    return {
      fresh,
      isShared: false,
      content: content.place,
      place: content.name,
      warnings: [],
      serve: (options) => new EmbeddedEngine(opened, options, content.serve(opened, options)),
      openStores: () => openLocalStores(opened, content),
      async close() {
        await content.close()
        lock.release()
      },
    }
  } catch (error) {
    await content.close()
    throw error
  }
}

/**
 * Opens the audit heads and key kept beside the registry, whether it is served or not; undefined without a
 * registry. Changes nothing. The caller closes it. Throws UserError as `connectChecked`.
 */
export async function openKeptHeads(
  settings: StorageSettings,
): Promise<(Pick<Outbox, 'head' | 'key'> & { close(): void }) | undefined> {
  if (settings.database !== undefined) {
    const [{ openDatabaseAudit }, { connectChecked }] = await Promise.all([
      import('../metadata/postgres/kept-audit.ts'),
      import('../metadata/postgres/check-server.ts'),
    ])
    const connection = await connectChecked(settings.database, 1)
    connection.close()
    const { heads, close } = openDatabaseAudit({ ...settings.database, pooler: connection.pooler })
    return { ...heads, close }
  }
  if (!hasRegistry(settings)) return undefined
  const kept = await import('../metadata/sqlite/kept-heads.ts')
  return kept.openKeptHeads(settings.folder)
}

function hasRegistry({ folder }: StorageSettings): boolean {
  return existsSync(databasePath(folder))
}

async function openLocalStores(settings: StorageSettings, content: OpenedContent): Promise<LocalStores> {
  // Loaded here, so that a server starts fast and its main thread loads little.
  const { openLocalMetadata } = await import('../metadata/sqlite/sqlite-metadata-store.ts')
  const metadata = openLocalMetadata({ folder: settings.folder })
  return openStoresWith(metadata, { settings, content })
}
