import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import tar from 'tar-stream'
import { startHasher } from '../blobs/hasher.ts'
import type { BlobStore, ByteSource, DataKey } from '../blobs/blob-store.ts'
import type { MetadataSnapshot, MetadataStore } from '../metadata/metadata-store.ts'
import { digestAlgorithm, parseDigest } from '../oci/digest.ts'
import { UserError } from '../user-error.ts'
import { garbageLease } from './garbage.ts'

export interface BackupParts {
  readonly metadata: MetadataStore
  readonly blobs: BlobStore
  readonly clocks: { wall(): number }
  readonly holder: string
}

/** The first entry. */
interface BackupHead {
  readonly version: number
  readonly metadataFormat: string
  readonly createdAt: string
}

/** The last entry: a file that ends before it is not whole. */
interface BackupTail {
  readonly blobs: number
  readonly bytes: number
}

const version = 1
const leaseTime = 60_000
const headName = 'trow-backup.json'
const metadataName = 'metadata'
const tailName = 'trow-backup-end.json'

/**
 * A tar of everything the registry knows at one instant, made while it works: `trow-backup.json`, each stored blob
 * as `blobs/<digest>/<data key>`, `metadata`, `trow-backup-end.json`. Meanwhile no garbage is collected, so the bytes
 * of the instant stay. Throws UserError GARBAGE_BUSY.
 */
export async function* backup(parts: BackupParts, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const { metadata, clocks, holder } = parts
  const name = `backup-${holder}`
  const renew = (): Promise<boolean> =>
    metadata.garbage.acquireLease(garbageLease, name, leaseTime, clocks.wall())
  if (!(await renew())) {
    throw new UserError('GARBAGE_BUSY', 'a collection of garbage or another backup is running', {
      hint: 'Try again when it is done.',
    })
  }
  const renewal = setInterval(() => void renew().catch(() => undefined), leaseTime / 3)
  try {
    const snapshot = await metadata.snapshot()
    try {
      const pack = tar.pack()
      const filled = fill(pack, parts, snapshot, signal)
      filled.catch((error: unknown) => pack.destroy(error as Error))
      for await (const chunk of pack) yield chunk as Uint8Array
      await filled
    } finally {
      await snapshot.close()
    }
  } finally {
    clearInterval(renewal)
    await metadata.garbage.releaseLease(garbageLease, name)
  }
}

async function fill(
  pack: tar.Pack,
  { blobs, clocks }: BackupParts,
  snapshot: MetadataSnapshot,
  signal: AbortSignal | undefined,
): Promise<void> {
  const createdAt = new Date(clocks.wall()).toISOString()
  const head: BackupHead = { version, metadataFormat: snapshot.format, createdAt }
  pack.entry({ name: headName }, JSON.stringify(head))
  let count = 0
  let bytes = 0
  for await (const { digest, key, size } of snapshot.storedBlobs()) {
    signal?.throwIfAborted()
    const reader = await blobs.open(key)
    // Lost before the backup began: fsck says so, and the rest is worth keeping.
    if (reader === undefined) continue
    try {
      await addEntry(pack, `blobs/${digest}/${key}`, size, reader.stream())
    } finally {
      reader.close()
    }
    count++
    bytes += size
  }
  await addEntry(pack, metadataName, snapshot.size, snapshot.stream())
  pack.entry({ name: tailName }, JSON.stringify({ blobs: count, bytes } satisfies BackupTail))
  pack.finalize()
}

async function addEntry(pack: tar.Pack, name: string, size: number, source: ByteSource): Promise<void> {
  const entry = pack.entry({ name, size })
  // Copied: the reader uses its buffers again, the tar stream may still hold the chunk.
  async function* copies(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) yield Uint8Array.from(chunk)
  }
  await pipeline(Readable.from(copies(), { objectMode: false }), entry)
}

export interface RestoreTarget {
  /** Of an empty registry. */
  readonly blobs: BlobStore
  /** Metadata format that `placeMetadata` takes. */
  readonly metadataFormat: string
  /** Keeps the image aside; makes it the registry's metadata when the returned function is called. */
  placeMetadata(source: ByteSource): Promise<() => Promise<void>>
}

/**
 * Takes a backup back, verifying every blob against its digest. The metadata becomes visible last, so what is not
 * whole is never served. Throws UserError BACKUP_INVALID, BACKUP_TRUNCATED, BACKUP_NEWER, BACKUP_FORMAT.
 */
export async function restore(
  source: ByteSource,
  target: RestoreTarget,
  signal?: AbortSignal,
): Promise<{ readonly blobs: number; readonly bytes: number }> {
  const extract = tar.extract()
  const fed = pipeline(Readable.from(source), extract, ...(signal ? [{ signal }] : []))
  fed.catch(() => undefined)
  const done = { blobs: 0, bytes: 0 }
  let head: BackupHead | undefined
  let tail: BackupTail | undefined
  let activate: (() => Promise<void>) | undefined
  try {
    for await (const entry of extract) {
      const { name } = entry.header
      if (head === undefined) head = parseHead(name, name === headName ? await text(entry) : '', target)
      else if (name === metadataName) activate = await target.placeMetadata(entry as ByteSource)
      else if (name === tailName) tail = JSON.parse(await text(entry)) as BackupTail
      else {
        done.bytes += await restoreBlob(name, entry as ByteSource, target.blobs)
        done.blobs++
      }
    }
    await fed
  } catch (error) {
    throw error instanceof UserError ? error : head === undefined ? noBackup(error) : truncated(error)
  }
  if (head === undefined) throw noBackup(undefined)
  if (tail === undefined || activate === undefined) throw truncated(undefined)
  if (tail.blobs !== done.blobs || tail.bytes !== done.bytes) throw truncated(undefined)
  await activate()
  return done
}

function parseHead(name: string, content: string, target: RestoreTarget): BackupHead {
  if (name !== headName) throw noBackup(undefined)
  const head = JSON.parse(content) as BackupHead
  if (head.version > version) {
    throw new UserError(
      'BACKUP_NEWER',
      `the backup has version ${head.version}, this program reads ${version}`,
      {
        hint: 'Restore it with the trow that made it, or a newer one.',
      },
    )
  }
  if (head.metadataFormat !== target.metadataFormat) {
    throw new UserError(
      'BACKUP_FORMAT',
      `the backup holds metadata of the form "${head.metadataFormat}", this registry keeps "${target.metadataFormat}"`,
    )
  }
  return head
}

async function restoreBlob(name: string, source: ByteSource, blobs: BlobStore): Promise<number> {
  const match = /^blobs\/([^/]+)\/([0-9a-f]{32})$/.exec(name)
  if (match === null) throw noBackup(new Error(`unexpected entry ${name}`))
  const digest = parseDigest(match[1] as string)
  const hasher = startHasher(digestAlgorithm(digest))
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      hasher.update(chunk)
      yield chunk
    }
  }
  const size = await blobs.adopt(match[2] as DataKey, hashed())
  if (hasher.digest() === digest) return size
  throw new UserError(
    'BACKUP_DAMAGED',
    `the backup is damaged: ${digest} has other bytes than its digest says`,
    {
      hint: 'Use another backup.',
    },
  )
}

async function text(source: AsyncIterable<unknown>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of source) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

function noBackup(cause: unknown): UserError {
  return new UserError('BACKUP_INVALID', 'this is no backup of trow', {
    hint: 'Give a file that trow backup has written.',
    cause,
  })
}

function truncated(cause: unknown): UserError {
  return new UserError('BACKUP_TRUNCATED', 'the backup is not whole: it ends too early', {
    hint: 'Copy it again, or use another backup. Nothing of it is served.',
    cause,
  })
}
