import { existsSync } from 'node:fs'
import { databasePath } from '../metadata/sqlite/sqlite-file.ts'
import type { Outbox } from '../metadata/outbox.ts'
import { UserError } from '../user-error.ts'
import { openDataFolder } from './data-folder.ts'
import { EmbeddedEngine } from './embedded-engine.ts'
import type { Engines, LocalStores, StorageSettings } from './storage-engine.ts'

/**
 * Opens what the settings name, for this process alone where it cannot be shared, and brings it to this program's schema.
 * Makes what is missing, unless `existing`: then NO_REGISTRY. Throws UserError as `openDataFolder` does.
 */
export async function openEngines(
  settings: StorageSettings,
  { existing = false }: { readonly existing?: boolean } = {},
): Promise<Engines> {
  if (existing && !hasRegistry(settings)) {
    throw new UserError('NO_REGISTRY', `${settings.folder} holds no registry`, {
      hint: 'Name the data folder of the registry with --data.',
    })
  }
  const { path: folder, lock, fresh } = openDataFolder(settings.folder)
  return {
    fresh,
    serve: (options) => new EmbeddedEngine({ ...settings, folder }, options),
    openStores: () => openLocalStores(folder),
    close() {
      lock.release()
      return Promise.resolve()
    },
  }
}

/** What the audit has kept beside the registry, served or not: undefined where there is none. Changes nothing. To be closed. */
export async function openKeptHeads(
  settings: StorageSettings,
): Promise<(Pick<Outbox, 'head' | 'key'> & { close(): void }) | undefined> {
  if (!hasRegistry(settings)) return undefined
  const kept = await import('../metadata/sqlite/kept-heads.ts')
  return kept.openKeptHeads(settings.folder)
}

function hasRegistry({ folder }: StorageSettings): boolean {
  return existsSync(databasePath(folder))
}

async function openLocalStores(folder: string): Promise<LocalStores> {
  // Loaded here: a server starts fast, and its main thread needs little.
  const [{ openLocalMetadata }, { openDiskBlobStore }] = await Promise.all([
    import('../metadata/sqlite/sqlite-metadata-store.ts'),
    import('../blobs/disk/disk-blob-store.ts'),
  ])
  const metadata = openLocalMetadata({ folder })
  const blobs = await openDiskBlobStore({ folder, reserve: 0 })
  return {
    metadata,
    blobs,
    async close() {
      await blobs.close()
      await metadata.close()
    },
  }
}
