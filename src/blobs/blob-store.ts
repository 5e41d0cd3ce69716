import { randomBytes } from 'node:crypto'
import type { ByteRange } from '../oci/byte-range.ts'
import type { BlobNotes } from './blob-notes.ts'
import type { Digest, DigestAlgorithm } from '../oci/digest.ts'

declare const brand: unique symbol

const dataKey = /^[0-9a-f]{32}$/

/**
 * Names the bytes of one incarnation of a blob. It is not derived from the digest and is never reused, so a
 * late deletion cannot hit a new upload of the same digest. 32 lowercase hexadecimal digits.
 */
export type DataKey = string & { readonly [brand]: 'DataKey' }

export function isDataKey(text: string): text is DataKey {
  return dataKey.test(text)
}

export function newDataKey(): DataKey {
  return randomBytes(16).toString('hex') as DataKey
}

/** A chunk is valid only until the next one is requested: the source may then reuse its memory. */
export type ByteSource = AsyncIterable<Uint8Array>

/**
 * What earlier requests of an upload have received: nothing or a few bytes (inline), or staged bytes in the
 * store.
 */
export type UploadContent = { readonly kind: 'inline'; readonly bytes: Uint8Array } | StagedContent

export interface StagedContent {
  readonly kind: 'staged'
  readonly key: DataKey
  readonly size: number
  /** How the store keeps the bytes: text that only it interprets. Kept with the key, and passed back with it. */
  readonly parts?: string | undefined
}

/** A running hash over the content of one blob. */
export interface ContentHasher {
  readonly algorithm: DigestAlgorithm
  update(chunk: Uint8Array): void
  /** Returns the digest of all bytes so far. The hasher can continue afterwards. */
  digest(): Digest
  /**
   * A state that `resumeHasher` accepts on any machine; undefined where the implementation cannot be saved
   * (native).
   */
  save(): Uint8Array | undefined
}

export interface ReceiveOptions {
  readonly content: UploadContent
  /** Receives every byte, in order, before `receive` resolves. */
  readonly hasher: Pick<ContentHasher, 'update'>
  /** Content of at most this many bytes in total stays in memory (`inline`). */
  readonly inlineLimit: number
  /** The announced length. A source with another number of bytes is OciError SIZE_INVALID. */
  readonly expectedBytes?: number
}

export interface Received {
  /**
   * All bytes held now. Staged bytes are flushed: a power cut loses either none of them or all (then OciError
   * BLOB_UPLOAD_UNKNOWN).
   */
  readonly content: UploadContent
  /** Bytes read from this source. */
  readonly received: number
  /**
   * Set when the source failed or the signal was aborted before the end; the bytes that arrived are held
   * nevertheless.
   */
  readonly interrupted?: unknown
}

export interface BlobReader {
  readonly size: number
  /** Streams the whole content or a range of it. May be called several times; `close` ends the streams. */
  stream(range?: ByteRange): ByteSource
  /** Ends the streams. Must always be called; a second call is not an error. */
  close(): void
}

export interface StoredObject {
  readonly key: DataKey
  readonly size: number
  /** Milliseconds since the epoch. */
  readonly modifiedAt: number
}

/**
 * Stores bytes by data key. It knows nothing of digests, repositories or uploads: the metadata maps digests
 * to keys. Every implementation passes `test/blobs/blob-store-contract.ts`.
 */
export interface BlobStore {
  /**
   * Reads all of `source`, hashes it and appends it to what is held. Bytes past `held.size` in the store
   * (from a writer that died) are cut off first. It never holds more than a few chunks in memory, and
   * back-pressure reaches the source. If the store has no room for staged bytes: OciError STORAGE_FULL, and
   * what is held stays unchanged. If the held key does not exist: OciError BLOB_UPLOAD_UNKNOWN.
   */
  receive(source: ByteSource, options: ReceiveOptions, signal?: AbortSignal): Promise<Received>
  /**
   * Makes staged bytes permanently readable, and resolves to the key under which they are: once it resolves,
   * no crash or power cut loses them. It is another key if the store had to copy them; the caller then removes
   * the staged bytes. Publishing twice is not an error.
   */
  publish(content: StagedContent): Promise<DataKey>
  /**
   * Reads all of `source` into a key that it had in another store, publishes it and returns its size. For
   * restoring a backup.
   */
  adopt(key: DataKey, source: ByteSource, signal?: AbortSignal): Promise<number>
  /** Size in bytes of published bytes; undefined when there are none. */
  size(key: DataKey): Promise<number | undefined>
  /**
   * Opens published bytes; undefined when there are none. A stream that has begun goes on even if the bytes
   * are removed meanwhile.
   */
  open(key: DataKey): Promise<BlobReader | undefined>
  /**
   * Set where clients may fetch published bytes from somewhere else: resolves to a URL at which anybody can GET
   * them for some minutes. Whether there are any is not looked at.
   */
  readonly redirect?: ((key: DataKey) => Promise<string>) | undefined
  /** Opens staged bytes; undefined when there are none. */
  openStaged(content: StagedContent): Promise<BlobReader | undefined>
  /** Removes staged and published bytes. It is not an error if there are none. */
  remove(key: DataKey): Promise<void>
  /**
   * Lists everything in the store, in no particular order, to find orphans. A key may be listed more than
   * once. Skips what the store has not created.
   */
  list(): AsyncIterable<StoredObject>
  /**
   * Gives up writes that began before this instant (milliseconds since the epoch) and have not ended, if the
   * store keeps such. Resolves to their number.
   */
  dropUnfinished(before: number): Promise<number>
  readonly notes: BlobNotes
  /**
   * Bytes that can be written before the reserve is reached; Infinity where the store has no limit. Cheap:
   * the value may be up to a second old.
   */
  room(): Promise<number>
  close(): Promise<void>
}
