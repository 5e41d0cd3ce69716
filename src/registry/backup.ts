import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import tar from 'tar-stream'
import type { BlobStore, ByteSource, DataKey } from '../blobs/blob-store.ts'
import type { MetadataSnapshot, MetadataStore } from '../metadata/metadata-store.ts'
import type { Digest } from '../oci/digest.ts'
import { UserError } from '../user-error.ts'
import {
  headName,
  metadataName,
  mostListed,
  tailName,
  version,
  type BackupHead,
  type BackupTail,
} from './backup-form.ts'
import { isLeaseLost } from '../metadata/lease-lost.ts'
import { GarbageLease } from './garbage-lease.ts'
import { errorOf } from '../reason-of.ts'

export interface BackupParts {
  readonly metadata: MetadataStore
  readonly blobs: BlobStore
  readonly clocks: { wall(): number }
  readonly holder: string
}

/**
 * A tar of the whole registry at one instant, made while it serves: `trow-backup.json`, each stored blob as
 * `blobs/<digest>/<data key>`, `metadata`, `trow-backup-end.json`. The backup holds the garbage lease, so
 * that no bytes of that instant are removed meanwhile. Blobs that were lost before are left out and listed at
 * the end. Throws UserError GARBAGE_BUSY while a collection or another backup runs, BACKUP_INCOMPLETE if the
 * lease or a blob is lost on the way.
 */
export async function* backup(parts: BackupParts, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const lease = await GarbageLease.take({ ...parts, holder: `backup-${parts.holder}` })
  if (lease === undefined) throw busy()
  try {
    const snapshot = await parts.metadata.snapshot()
    try {
      const pack = tar.pack()
      const filled = fill({ pack, parts, snapshot, lease, signal })
      filled.catch((error: unknown) => pack.destroy(errorOf(error)))
      lease.lost.addEventListener('abort', () => pack.destroy(errorOf(lease.lost.reason)))
      for await (const chunk of pack) yield chunk as Uint8Array
      await filled
    } finally {
      await snapshot.close()
    }
  } catch (error) {
    throw isLeaseLost(error) ? incomplete(error.message, error) : error
  } finally {
    await lease.release()
  }
}

/** Returns about how many bytes a backup would have. */
export async function backupSize({ metadata }: Pick<BackupParts, 'metadata'>): Promise<number> {
  return (await metadata.inventory.totals()).bytes
}

async function fill({
  pack,
  parts: { blobs, clocks },
  snapshot,
  lease,
  signal,
}: {
  readonly pack: tar.Pack
  readonly parts: BackupParts
  readonly snapshot: MetadataSnapshot
  readonly lease: GarbageLease
  readonly signal: AbortSignal | undefined
}): Promise<void> {
  const createdAt = new Date(clocks.wall()).toISOString()
  const head: BackupHead = { version, metadataFormat: snapshot.format, createdAt }
  pack.entry({ name: headName }, JSON.stringify(head))
  const proceed = async (): Promise<void> => {
    signal?.throwIfAborted()
    await lease.check()
  }
  // Lost blobs are found before anything is copied: a blob that is missing later was removed during the
  // backup, which must then fail.
  const lost = await lostBlobs(blobs, snapshot, proceed)
  let count = 0
  let bytes = 0
  for await (const { digest, key, size } of snapshot.storedBlobs()) {
    await proceed()
    if (lost.has(key)) continue
    const reader = await blobs.open(key)
    if (reader?.size !== size) {
      reader?.close()
      throw incomplete(`the blob ${digest} was removed meanwhile`)
    }
    try {
      await addEntry(pack, `blobs/${digest}/${key}`, size, reader.stream())
    } finally {
      reader.close()
    }
    count++
    bytes += size
  }
  await addEntry(pack, metadataName, snapshot.size, snapshot.stream())
  await lease.confirm()
  const missingDigests = [...lost.values()].slice(0, mostListed)
  const contents = await snapshot.totals()
  const tail: BackupTail = { blobs: count, bytes, missing: lost.size, missingDigests, contents }
  pack.entry({ name: tailName }, JSON.stringify(tail))
  pack.finalize()
}

/** Blobs of the snapshot whose bytes are missing or incomplete in the store. */
async function lostBlobs(
  blobs: BlobStore,
  snapshot: MetadataSnapshot,
  proceed: () => Promise<void>,
): Promise<ReadonlyMap<DataKey, Digest>> {
  const lost = new Map<DataKey, Digest>()
  for await (const { digest, key, size } of snapshot.storedBlobs()) {
    await proceed()
    if ((await blobs.size(key)) !== size) lost.set(key, digest)
  }
  return lost
}

async function addEntry(pack: tar.Pack, name: string, size: number, source: ByteSource): Promise<void> {
  const entry = pack.entry({ name, size })
  // Copied: the reader reuses its buffers while the tar stream may still hold the chunk.
  async function* copies(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) yield Uint8Array.from(chunk)
  }
  await pipeline(Readable.from(copies(), { objectMode: false }), entry)
}

function busy(): UserError {
  return new UserError('GARBAGE_BUSY', 'a collection of garbage or another backup is running', {
    hint: 'Try again when it is done.',
  })
}

function incomplete(reason: string, cause?: unknown): UserError {
  return new UserError('BACKUP_INCOMPLETE', `the backup was given up: ${reason}`, {
    hint: 'Make it again; nothing of it is kept.',
    cause,
  })
}
