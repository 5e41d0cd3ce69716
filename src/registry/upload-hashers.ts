import { startHasher, startResumableHasher, resumeHasher } from '../blobs/hasher.ts'
import type { BlobStore, ContentHasher, UploadContent } from '../blobs/blob-store.ts'
import type { UploadRecord } from '../metadata/records.ts'
import type { DigestAlgorithm } from '../oci/digest.ts'
import { OciError } from '../oci/oci-error.ts'

const sessionLimit = 1024

export function contentSize(uploaded: UploadContent): number {
  return uploaded.kind === 'inline' ? uploaded.bytes.byteLength : uploaded.size
}

/**
 * Finds the hasher with which an upload continues. Held bytes are read again only if necessary: native
 * hashers stay in this worker's memory, resumable ones in the upload's record.
 */
export class UploadHashers {
  readonly #blobs: BlobStore
  /** Native hashers by upload id, with the bytes that they have hashed; the oldest are dropped first. */
  readonly #native = new Map<string, { readonly hasher: ContentHasher; readonly size: number }>()

  constructor(blobs: BlobStore) {
    this.#blobs = blobs
  }

  /** `chunked`: more requests are expected, perhaps on another worker. */
  async continue(upload: UploadRecord, chunked: boolean): Promise<ContentHasher> {
    const size = contentSize(upload.content)
    const native = this.#native.get(upload.id)
    this.#native.delete(upload.id)
    if (native !== undefined && native.size === size) return native.hasher
    if (size === 0) return chunked ? startResumableHasher(upload.algorithm) : startHasher(upload.algorithm)
    if (upload.hashState !== undefined) return resumeHasher(upload.algorithm, upload.hashState)
    return this.rehash(upload.content, await startResumableHasher(upload.algorithm))
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

  /**
   * Hashes all held bytes in another algorithm: the only second reading, for a client that did not announce
   * the algorithm.
   */
  digest(uploaded: UploadContent, algorithm: DigestAlgorithm): Promise<ContentHasher> {
    return this.rehash(uploaded, startHasher(algorithm))
  }

  async rehash(uploaded: UploadContent, hasher: ContentHasher): Promise<ContentHasher> {
    if (contentSize(uploaded) === 0) return hasher
    if (uploaded.kind === 'inline') {
      hasher.update(uploaded.bytes)
      return hasher
    }
    const reader = (await this.#blobs.openStaged(uploaded)) ?? (await this.#blobs.open(uploaded.key))
    if (reader === undefined) throw lostUpload()
    try {
      for await (const chunk of reader.stream({ start: 0, end: uploaded.size - 1 })) hasher.update(chunk)
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
