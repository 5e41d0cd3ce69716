import { createWriteStream, renameSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import type { BlobStore, ByteSource } from '../blobs/blob-store.ts'
import { openDiskBlobStore } from '../blobs/disk/disk-blob-store.ts'
import { flush } from '../flush.ts'
import { forgetUploads, snapshotFormat } from '../metadata/sqlite/snapshot-file.ts'
import { databasePath } from '../metadata/sqlite/sqlite-file.ts'
import { openRestoreFolder } from './restore-folder.ts'
import type { StorageSettings } from './storage-engine.ts'

/** Where a backup is taken back into; nobody else has it open. One of `keep` and `undo` is called at the end. */
export interface RestoreStorage {
  readonly blobs: BlobStore
  /** The only form of metadata that it takes (`MetadataSnapshot.format`). */
  readonly metadataFormat: string
  /** Takes them without showing them yet; what it resolves with does that. */
  placeMetadata(source: ByteSource): Promise<() => Promise<void>>
  /** It holds a whole registry. */
  keep(): Promise<void>
  /** As it was before: empty, or not there. */
  undo(): Promise<void>
}

/** Throws UserError FOLDER_NOT_EMPTY, FOLDER_NOT_WRITABLE, FOLDER_LOCKED. */
export async function openRestoreStorage({ folder }: StorageSettings): Promise<RestoreStorage> {
  const target = openRestoreFolder(folder)
  let blobs: BlobStore
  try {
    blobs = await openDiskBlobStore({ folder, reserve: 0 })
  } catch (error) {
    target.undo()
    throw error
  }
  return {
    blobs,
    metadataFormat: snapshotFormat,
    placeMetadata: (source) => placeDatabase(folder, source),
    async keep() {
      await blobs.close()
      target.keep()
    },
    async undo() {
      await blobs.close()
      target.undo()
    },
  }
}

async function placeDatabase(folder: string, source: ByteSource): Promise<() => Promise<void>> {
  const path = databasePath(folder)
  const part = `${path}.restoring`
  await pipeline(
    source as AsyncIterable<Uint8Array>,
    createWriteStream(part, { flush: true, flags: 'wx', mode: 0o600 }),
  )
  return async () => {
    forgetUploads(part)
    await flush(part)
    renameSync(part, path)
    await flush(folder)
  }
}
