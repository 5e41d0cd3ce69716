import type { ContentHasher, UploadContent, Received } from '../blobs/blob-store.ts'
import type { UploadClaim, UploadRecord } from '../metadata/records.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import { BodyTurns } from './body-turns.ts'
import type { Body } from './registry.ts'
import type { RegistryParts } from './settings.ts'
import { announcedBytes } from './upload-body.ts'
import { takenOver } from './upload-refusals.ts'

/** Writes to uploads: one request at a time each, and everything that a request brings is recorded. */
export class UploadWrites {
  readonly #parts: RegistryParts
  readonly #turns = new BodyTurns()

  constructor(parts: RegistryParts) {
    this.#parts = parts
  }

  /**
   * Runs `work` with the exclusive right to write to the upload. `stop` fires when another request claims the
   * upload, or `signal` does. Undefined: there is no such upload.
   */
  async claimed<Result>(
    repository: RepositoryName,
    id: string,
    signal: AbortSignal | undefined,
    work: (claim: UploadClaim, stop: AbortSignal) => Promise<Result>,
  ): Promise<Result | undefined> {
    // A claim costs some tenth of a millisecond, however few its bytes are, so claims take turns too.
    await this.#turns.take(0)
    const contested = new AbortController()
    const claim = await this.#parts.metadata.claimUpload(repository, id, () => contested.abort(takenOver()))
    if (claim === undefined) return undefined
    try {
      const stop = signal === undefined ? contested.signal : AbortSignal.any([signal, contested.signal])
      return await work(claim, stop)
    } finally {
      await claim.release()
    }
  }

  /** Receives the body after what the upload holds, and records nothing. */
  take(upload: UploadRecord, body: Body, hasher: ContentHasher, stop: AbortSignal): Promise<Received> {
    const { blobs, limits } = this.#parts
    return blobs.receive(
      body.source,
      { content: upload.content, hasher, inlineLimit: limits.inlineLimit, ...announcedBytes(body) },
      stop,
    )
  }

  /** Rejects with OciError BLOB_UPLOAD_INVALID when the upload is another request's by now, or cancelled. */
  async save(
    claim: UploadClaim,
    uploaded: UploadContent,
    { hasher, cutFrom }: { readonly hasher: ContentHasher | undefined; readonly cutFrom: number | undefined },
  ): Promise<void> {
    const isSaved = await claim.save({
      content: uploaded,
      hashState: hasher?.save(),
      digest: hasher?.digest(),
      cutFrom,
      now: this.#parts.now(),
    })
    if (!isSaved) throw takenOver()
  }
}
