import { startHasher, startResumableHasher, resumeHasher } from '../blobs/hasher.ts'
import type { BlobStore, ContentHasher, Held } from '../blobs/blob-store.ts'
import type { UploadRecord } from '../metadata/records.ts'
import type { DigestAlgorithm } from '../oci/digest.ts'
import { OciError } from '../oci/oci-error.ts'

const sessionLimit = 1024

export function heldSize(held: Held): number {
  return held.kind === 'inline' ? held.bytes.byteLength : held.size
}

/**
 * Finds the hasher with which an upload goes on, reading bytes again only where it must: native hashes live in
 * this worker's memory, resumable ones in the upload's record.
 */
export class UploadHashers {
  readonly #blobs: BlobStore
  /** Native hashers by upload id, with the size they stand at; the oldest go first. */
  readonly #native = new Map<string, { readonly hasher: ContentHasher; readonly size: number }>()

  constructor(blobs: BlobStore) {
    this.#blobs = blobs
  }

  /** `chunked`: more requests are to be expected, perhaps elsewhere. */
  async continue(upload: UploadRecord, chunked: boolean): Promise<ContentHasher> {
    const size = heldSize(upload.held)
    const native = this.#native.get(upload.id)
    this.#native.delete(upload.id)
    if (native !== undefined && native.size === size) return native.hasher
    if (size === 0) return chunked ? startResumableHasher(upload.algorithm) : startHasher(upload.algorithm)
    if (upload.hashState !== undefined) return resumeHasher(upload.algorithm, upload.hashState)
    return this.rehash(upload.held, await startResumableHasher(upload.algorithm))
  }

  /** Keeps a native hasher for this upload's next request. */
  keep(upload: UploadRecord, hasher: ContentHasher, size: number): void {
    if (hasher.save() !== undefined) return
    this.#native.set(upload.id, { hasher, size })
    for (const oldest of this.#native.keys()) {
      if (this.#native.size <= sessionLimit) break
      this.#native.delete(oldest)
    }
  }

  forget(upload: string): void {
    this.#native.delete(upload)
  }

  /** All held bytes in another algorithm: the one re-read where nobody announced it. */
  digest(held: Held, algorithm: DigestAlgorithm): Promise<ContentHasher> {
    return this.rehash(held, startHasher(algorithm))
  }

  async rehash(held: Held, hasher: ContentHasher): Promise<ContentHasher> {
    if (heldSize(held) === 0) return hasher
    if (held.kind === 'inline') {
      hasher.update(held.bytes)
      return hasher
    }
    const reader = (await this.#blobs.openStaged(held.key)) ?? (await this.#blobs.open(held.key))
    if (reader === undefined) throw lostUpload()
    try {
      for await (const chunk of reader.stream({ start: 0, end: held.size - 1 })) hasher.update(chunk)
      return hasher
    } finally {
      reader.close()
    }
  }
}

function lostUpload(): OciError {
  return new OciError('BLOB_UPLOAD_UNKNOWN', 'the upload is not known any more', {
    detail: 'its bytes are gone: begin a new upload',
  })
}
