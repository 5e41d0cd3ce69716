import { counted } from '../counted.ts'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import tar from 'tar-stream'
import { startHasher } from '../blobs/hasher.ts'
import type { BlobStore, ByteSource, DataKey } from '../blobs/blob-store.ts'
import { parseForeignJson } from '../foreign-json.ts'
import { digestAlgorithm, parseDigest } from '../oci/digest.ts'
import { UserError } from '../user-error.ts'
import {
  headName,
  headSchema,
  metadataName,
  tailName,
  tailRoom,
  tailSchema,
  version,
  type BackupHead,
  type BackupTail,
} from './backup-form.ts'

/** Most bytes between the contents of two entries: their headers, and what the pipes hold. */
const largestGap = 4 * 1024 * 1024

export interface RestoreTarget {
  /** The blob store of an empty registry. */
  readonly blobs: BlobStore
  /** The metadata format that `placeMetadata` accepts. */
  readonly metadataFormat: string
  /** Stores the metadata image aside; the returned function makes it the registry's metadata. */
  placeMetadata(source: ByteSource): Promise<() => Promise<void>>
}

/**
 * Restores a backup and verifies every blob against its digest. The metadata becomes visible last, so that an
 * incomplete restore is never served. The returned tail lists what the backup lacks. Throws UserError
 * BACKUP_INVALID, BACKUP_TRUNCATED, BACKUP_DAMAGED, BACKUP_NEWER, BACKUP_FORMAT.
 */
export async function restore(
  source: ByteSource,
  target: RestoreTarget,
  signal?: AbortSignal,
): Promise<BackupTail> {
  const extract = tar.extract()
  let allowed = largestGap
  // tar-stream buffers names of any length; those of a backup have at most a few hundred bytes.
  async function* bounded(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      allowed -= chunk.length
      if (allowed < 0) throw noBackup(new Error('the header of an entry is too long'))
      yield chunk
    }
  }
  const fed = pipeline(Readable.from(bounded()), extract, ...(signal ? [{ signal }] : []))
  fed.catch(() => undefined)
  const done = { blobs: 0, bytes: 0 }
  let head: BackupHead | undefined
  let tail: BackupTail | undefined
  let activate: (() => Promise<void>) | undefined
  try {
    for await (const entry of extract) {
      const { name, size } = entry.header
      allowed = size + largestGap
      if (head === undefined)
        head = parseHead(name, name === headName ? await small(entry, size) : '', target)
      else if (name === metadataName) activate = await target.placeMetadata(entry as ByteSource)
      else if (name === tailName) tail = parseForeignJson(await small(entry, size), tailSchema)
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
  return tail
}

function parseHead(name: string, content: string, target: RestoreTarget): BackupHead {
  if (name !== headName) throw noBackup(undefined)
  const head = parseForeignJson(content, headSchema)
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

/** An entry that claims to be larger than `tailRoom` is refused unread. */
async function small(source: AsyncIterable<unknown>, size: number): Promise<string> {
  if (size > tailRoom) throw noBackup(new Error(`its head has ${counted(size, 'byte')}`))
  const chunks: Buffer[] = []
  for await (const chunk of source) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

function noBackup(cause: unknown): UserError {
  return new UserError('BACKUP_INVALID', 'this is no backup of trow', {
    hint: 'Name a file that a backup has written.',
    cause,
  })
}

function truncated(cause: unknown): UserError {
  return new UserError('BACKUP_TRUNCATED', 'the backup is not whole: it ends too early', {
    hint: 'Copy it again, or use another backup. Nothing of it is served.',
    cause,
  })
}
