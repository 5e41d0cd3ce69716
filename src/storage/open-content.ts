import { isInBucket } from './bucket/kept-location-name.ts'
import type { ContentName, ContentOwner, OpenedContent } from './content-engine.ts'
import { FolderContent } from './folder-content.ts'
import type { StorageSettings } from './storage-engine.ts'

/**
 * Whether several processes may have the registry open: its metadata in a database, and its blobs in a bucket that
 * the settings name, or the data folder remembers.
 */
export function isShared({ folder, database, s3 }: StorageSettings): boolean {
  return database !== undefined && (s3 !== undefined || isInBucket(folder))
}

/** Where the settings say that the blobs are; asks no server. Throws UserError S3_FILE_DAMAGED. */
export async function namedContent(settings: StorageSettings): Promise<ContentName> {
  if (settings.s3 !== undefined || isInBucket(settings.folder)) {
    const name = (await import('./bucket/open-bucket.ts')).namedBucket(settings)
    if (name !== undefined) return { place: 'bucket', name }
  }
  return { place: 'folder', name: settings.folder }
}

/**
 * `owner`: the registry to which the content must belong; undefined: to that of the data folder. Throws UserError
 * as `openBucket`. Writes nothing that stays.
 */
export async function openContent(settings: StorageSettings, owner?: ContentOwner): Promise<OpenedContent> {
  // A registry in a folder loads nothing of S3.
  if (settings.s3 !== undefined || isInBucket(settings.folder)) {
    const bucket = await (await import('./bucket/open-bucket.ts')).openBucket(settings, owner)
    if (bucket !== undefined) return bucket
  }
  return folderContent(settings.folder)
}

function folderContent(folder: string): OpenedContent {
  return {
    place: 'folder',
    name: folder,
    claim: () => Promise.resolve(),
    serve: (settings, options) => new FolderContent(settings, options),
    async openStore(settings) {
      // Loaded here, so that a server starts fast and its main thread loads little.
      const { openDiskBlobStore } = await import('../blobs/disk/disk-blob-store.ts')
      return openDiskBlobStore({ folder: settings.folder, reserve: settings.reserve })
    },
    close: () => Promise.resolve(),
  }
}
