import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import type { BlobStore, ByteSource } from '../blobs/blob-store.ts'
import { openDiskBlobStore } from '../blobs/disk/disk-blob-store.ts'
import { forgetUploads, snapshotFormat } from '../metadata/sqlite/snapshot-file.ts'
import type { ContentTotals } from '../metadata/metadata-store.ts'
import type { OpenedBucket } from './bucket/open-bucket.ts'
import type { ContentOwner } from './content-engine.ts'
import { restoringPath } from './metadata-target.ts'
import { openMetadataTarget } from './open-metadata-target.ts'
import type { TakenPolicies } from './policy-folder.ts'
import { openRestoreFolder, type RestoreFolder } from './restore-folder.ts'
import type { StorageSettings } from './storage-engine.ts'

/** The target of a restore; no other process has it open. The caller ends with `keep` or `undo`. */
export interface RestoreStorage {
  readonly blobs: BlobStore
  /** The only metadata format that it accepts (`MetadataSnapshot.format`). */
  readonly metadataFormat: string
  /** Stores the metadata without activating it; the function that it resolves to activates it. */
  placeMetadata(source: ByteSource): Promise<() => Promise<void>>
  /** Returns what it holds once the metadata is activated. */
  totals(): ContentTotals
  /** Those of its database that came with it. */
  policies(): TakenPolicies
  /** Keeps the storage: it holds a complete registry. */
  keep(): Promise<void>
  /** Returns the storage to its earlier state: empty or missing. */
  undo(): Promise<void>
}

/**
 * Throws UserError FOLDER_NOT_EMPTY, FOLDER_NOT_WRITABLE, FOLDER_LOCKED, DATABASE_NOT_EMPTY and others of the
 * database, and as `openBucket`.
 */
export async function openRestoreStorage(settings: StorageSettings): Promise<RestoreStorage> {
  const { folder } = settings
  const metadata = await openMetadataTarget(settings)
  let bucket: OpenedBucket | undefined
  let target: RestoreFolder | undefined
  let blobs: BlobStore
  try {
    bucket = settings.s3 && (await openBucket(settings, metadata.owner))
    target = openRestoreFolder(folder)
    await bucket?.claim(metadata.owner)
    blobs =
      (await bucket?.openStore({ ...settings, reserve: 0 })) ??
      (await openDiskBlobStore({ folder, reserve: 0 }))
  } catch (error) {
    target?.undo()
    await bucket?.close()
    metadata.close()
    throw error
  }
  const [opened, claimed] = [target, bucket]
  return {
    blobs,
    metadataFormat: snapshotFormat,
    placeMetadata: (source) => placeMetadata(settings, source, () => metadata.take(claimed?.name)),
    totals: () => metadata.totals(),
    policies: () => metadata.policies(),
    async keep() {
      await blobs.close()
      await claimed?.close()
      metadata.close()
      opened.keep()
    },
    async undo() {
      await blobs.close()
      try {
        await claimed?.clear()
      } finally {
        await claimed?.close()
        metadata.close()
        opened.undo()
      }
    },
  }
}

async function openBucket(
  settings: StorageSettings,
  owner: ContentOwner | undefined,
): Promise<OpenedBucket | undefined> {
  return (await import('./bucket/open-bucket.ts')).openBucket(settings, owner)
}

/** Stores the image beside its place; the function that it resolves to has `take` use it. */
async function placeMetadata(
  { folder }: StorageSettings,
  source: ByteSource,
  take: () => Promise<void>,
): Promise<() => Promise<void>> {
  const part = restoringPath(folder)
  await pipeline(
    source as AsyncIterable<Uint8Array>,
    createWriteStream(part, { flush: true, flags: 'wx', mode: 0o600 }),
  )
  return async () => {
    forgetUploads(part)
    await take()
  }
}
