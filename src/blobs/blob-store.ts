import type { ByteRange } from '../oci/byte-range.ts'
import type { Digest, DigestAlgorithm } from '../oci/digest.ts'

declare const brand: unique symbol

/**
 * Names the bytes of one incarnation of a blob. Never derived from the digest, never used twice: a late
 * deletion therefore cannot hit a fresh upload of the same digest. 32 lowercase hexadecimal digits.
 */
export type DataKey = string & { readonly [brand]: 'DataKey' }

/** A chunk is valid only until the next one is asked for: the store may use its memory again. */
export type ByteSource = AsyncIterable<Uint8Array>

/** What earlier requests of an upload have left: nothing, few bytes in memory, or staged bytes in the store. */
export type Held =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'staged'; readonly key: DataKey; readonly size: number }

/** A running hash over the content of one blob. */
export interface ContentHasher {
  readonly algorithm: DigestAlgorithm
  update(chunk: Uint8Array): void
  /** The digest of all bytes so far; the hasher can go on afterwards. */
  digest(): Digest
  /** A state that `resumeHasher` takes on any machine; undefined where the implementation cannot be saved (native). */
  save(): Uint8Array | undefined
}

export interface ReceiveOptions {
  readonly held: Held
  /** Fed with every byte received, in order, before `receive` resolves. */
  readonly hasher: Pick<ContentHasher, 'update'>
  /** Content up to this many bytes in all stays in memory (`inline`). */
  readonly inlineLimit: number
  /** Another number of bytes from the source is an OciError SIZE_INVALID (the announced length). */
  readonly expectedBytes?: number
}

export interface Received {
  /** All bytes held now. Staged bytes are flushed: a power cut takes all of them away (BLOB_UPLOAD_UNKNOWN then) or none. */
  readonly held: Held
  /** Bytes taken from this source. */
  readonly received: number
  /** Set when the source failed or the signal fired before its end; what had arrived is held all the same. */
  readonly interrupted?: unknown
}

export interface BlobReader {
  readonly size: number
  /** The whole content or a part of it. May be called several times; ends with the reader's `close`. */
  stream(range?: ByteRange): ByteSource
  /** To be called whatever happened before; ends the streams. A second time is no error. */
  close(): void
}

export interface StoredObject {
  readonly key: DataKey
  readonly size: number
  /** Milliseconds since the epoch. */
  readonly modifiedAt: number
  readonly state: 'staged' | 'published'
}

/**
 * Bytes by data key. Knows nothing of digests, repositories or uploads: which key holds which digest is
 * the metadata's business. Every implementation passes `test/blobs/blob-store-contract.ts`.
 */
export interface BlobStore {
  /**
   * Takes all of `source`, hashing it on the way, and appends it to what is held. Bytes that lie past
   * `held.size` in the store (from a writer that died) are cut first. Never holds more than a few chunks
   * in memory; back-pressure reaches the source. A store without room for what is to be staged: OciError
   * STORAGE_FULL, and what is held stays as it was. A held key that is not there: OciError BLOB_UPLOAD_UNKNOWN.
   */
  receive(source: ByteSource, options: ReceiveOptions, signal?: AbortSignal): Promise<Received>
  /** Makes staged bytes readable for good: when it resolves, no crash or power cut takes them away. Publishing twice is no error. */
  publish(key: DataKey): Promise<void>
  /** Takes all of `source` under a key that it had in another store, and publishes it; returns its size. For restoring a backup. */
  adopt(key: DataKey, source: ByteSource, signal?: AbortSignal): Promise<number>
  /** A reader over published bytes; undefined when there are none. The bytes stay readable until `close`, even when removed meanwhile. */
  open(key: DataKey): Promise<BlobReader | undefined>
  /** A reader over staged bytes; undefined when there are none. */
  openStaged(key: DataKey): Promise<BlobReader | undefined>
  /** Removes staged and published bytes. Removing what is not there is no error. */
  remove(key: DataKey): Promise<void>
  /** Everything in the store, in no order; for finding orphans. Foreign files are left out. */
  list(): AsyncIterable<StoredObject>
  /** Bytes that may still be written before the reserve is reached; Infinity where the store has no limit. Cheap: may be up to a second old. */
  room(): Promise<number>
  close(): Promise<void>
}
