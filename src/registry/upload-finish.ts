import { startHasher } from '../blobs/hasher.ts'
import type { DataKey, UploadContent } from '../blobs/blob-store.ts'
import type { UploadClaim } from '../metadata/records.ts'
import { digestAlgorithm, type Digest, type DigestAlgorithm } from '../oci/digest.ts'
import type { BegunPush, BlobPushes } from './blob-pushes.ts'
import { receiveAfterCut } from './cut-upload.ts'
import type { Body, PushedBlob } from './registry.ts'
import type { RegistryParts } from './settings.ts'
import { requireRoom } from './store-refusals.ts'
import { announcedBytes, checkRange, discard, emptyContent, noBody, replay } from './upload-body.ts'
import { contentSize, type UploadHashers } from './upload-hashers.ts'
import { fitsNeither, longerThanBlob, takenOver, unknownUpload, wrongDigest } from './upload-refusals.ts'
import type { UploadWrites } from './upload-writes.ts'

export interface UploadFinishParts {
  readonly parts: RegistryParts
  readonly hashers: UploadHashers
  readonly pushes: BlobPushes
  readonly writes: UploadWrites
}

/** The closing request of an upload: it makes a blob of what came, or says why there is none. */
export class UploadFinish {
  readonly #parts: RegistryParts
  readonly #hashers: UploadHashers
  readonly #pushes: BlobPushes
  readonly #writes: UploadWrites

  constructor({ parts, hashers, pushes, writes }: UploadFinishParts) {
    this.#parts = parts
    this.#hashers = hashers
    this.#pushes = pushes
    this.#writes = writes
  }

  async finish(id: string, pushed: PushedBlob, body: Body | undefined, signal?: AbortSignal): Promise<void> {
    const blob = await this.#pushes.begin(pushed)
    if (body !== undefined) await requireRoom(this.#parts.blobs)
    // A client that waits for 100 Continue learns of errors before it sends its body.
    if (body?.onDemand === false && isSmallAndWhole(body, this.#parts.limits.inlineLimit)) {
      const rest = await this.#finishWhole(id, blob, body, signal)
      if (rest !== undefined) await this.#finishClaimed(id, blob, rest, signal)
    } else await this.#finishClaimed(id, blob, body, signal)
  }

  /** Stores small content in one step. Undefined: done. Else the received body, for `#finishClaimed`. */
  async #finishWhole(
    id: string,
    push: BegunPush,
    body: Body,
    signal: AbortSignal | undefined,
  ): Promise<Body | undefined> {
    const { repository, digest } = push
    const { blobs, limits, metadata, now } = this.#parts
    const { inlineLimit } = limits
    const hasher = startHasher(digestAlgorithm(digest))
    const received = await blobs.receive(
      body.source,
      { content: emptyContent, hasher, inlineLimit, ...announcedBytes(body) },
      signal,
    )
    const { content: uploaded, interrupted } = received
    if (uploaded.kind !== 'inline') throw new Error('small content was not kept in memory')
    if (interrupted === undefined && hasher.digest() === digest) {
      const content = { repository, digest, size: uploaded.bytes.byteLength, content: uploaded, uploadId: id }
      const isKept = await this.#pushes.keep(push, uploaded, (judged) =>
        metadata.putWholeBlob({ ...content, ...judged, now: now() }),
      )
      if (isKept) return undefined
    }
    return replay(uploaded.bytes, body, interrupted)
  }

  async #finishClaimed(
    id: string,
    blob: BegunPush,
    body: Body | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { repository, digest } = blob
    const { blobs, limits, now } = this.#parts
    const done = await this.#writes.claimed(repository, id, signal, async (claim, stop) => {
      const { upload } = claim
      if (body !== undefined) checkRange(upload, body)
      const last = body?.length === 0 ? undefined : body
      const cut = last?.range === undefined ? upload.cutFrom : undefined
      if (last === undefined || cut === undefined) {
        const { content: uploaded, found } = await this.#complete(claim, digestAlgorithm(digest), last, stop)
        if (found !== digest) await this.#refuse(claim, uploaded, found)
        await this.#pushes.store(blob, uploaded, claim)
      } else {
        const parts = { blobs, hashers: this.#hashers, inlineLimit: limits.inlineLimit, now }
        const { content: uploaded, found } = await receiveAfterCut(
          parts,
          { ...claim, cutFrom: cut },
          { digest, body: last, stop },
        )
        if (uploaded === undefined) throw fitsNeither(found, contentSize(upload.content))
        await this.#pushes.store(blob, uploaded, claim)
        // The row that named these bytes was deleted with the upload.
        if (upload.content.kind === 'staged' && keyOf(uploaded) !== upload.content.key)
          await blobs.remove(upload.content.key)
      }
      this.#hashers.forget(id)
      return true
    })
    if (done === undefined) await this.#finishAgain(blob, body, signal)
  }

  /** Refuses another digest. After a cut closing request the upload stays for another try, else it goes. */
  async #refuse({ upload, fence }: UploadClaim, uploaded: UploadContent, found: Digest): Promise<never> {
    const { blobs, metadata } = this.#parts
    const isKept = upload.cutFrom !== undefined
    const isOurs = isKept || (await metadata.cancelUpload(upload.repository, upload.id, undefined, fence))
    if (!isOurs) throw takenOver()
    // Bytes of this request were never recorded, so nothing else would remove them.
    const key = keyOf(uploaded)
    if (key !== undefined && !(isKept && key === keyOf(upload.content))) await blobs.remove(key)
    throw isKept ? fitsNeither(found, contentSize(upload.content)) : wrongDigest(found, contentSize(uploaded))
  }

  /**
   * The upload does not exist. If its blob does, the client has missed the reply to an earlier closing
   * request: the body is discarded, the blob's grace period begins anew. Throws OciError BLOB_UPLOAD_UNKNOWN.
   */
  async #finishAgain(
    push: BegunPush,
    body: Body | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { repository, digest, auditRecord } = push
    const { metadata, now } = this.#parts
    const blob = await metadata.findLink(repository, digest)
    if (blob === undefined) throw unknownUpload()
    await this.#pushes.again(push)
    if (body !== undefined) {
      if (body.length !== undefined && body.length > blob.size) throw longerThanBlob(blob.size)
      await discard(body, blob.size, signal)
    }
    if (!(await metadata.touchBlob({ repository, digest, now: now(), auditRecord }))) throw unknownUpload()
  }

  /** Everything held after the closing request, and its digest in `algorithm`. */
  async #complete(
    claim: UploadClaim,
    algorithm: DigestAlgorithm,
    body: Body | undefined,
    stop: AbortSignal,
  ): Promise<{ content: UploadContent; found: Digest }> {
    const { upload } = claim
    if (body === undefined) {
      // Cuts off bytes that a crashed writer may have left past the recorded end.
      const { content: uploaded } = await this.#writes.take(upload, noBody, startHasher(algorithm), stop)
      const known = upload.algorithm === algorithm ? upload.digest : undefined
      return { content: uploaded, found: known ?? (await this.#hashers.digest(uploaded, algorithm)).digest() }
    }
    const whole = contentSize(upload.content) === 0
    const hasher = whole ? startHasher(algorithm) : await this.#hashers.continue(upload, false)
    const received = await this.#writes.take(upload, body, hasher, stop)
    if (received.interrupted !== undefined) {
      // The client may resume: the bytes are kept, with the hash in the upload's own algorithm.
      await this.#writes.save(claim, received.content, {
        hasher: hasher.algorithm === upload.algorithm ? hasher : undefined,
        cutFrom: upload.cutFrom ?? contentSize(upload.content),
      })
      throw received.interrupted as Error
    }
    const last =
      hasher.algorithm === algorithm ? hasher : await this.#hashers.digest(received.content, algorithm)
    return { content: received.content, found: last.digest() }
  }
}

function isSmallAndWhole({ length, range }: Body, limit: number): boolean {
  if (length === undefined || length > limit) return false
  return range === undefined || (range.start === 0 && range.end === length - 1)
}

function keyOf(uploaded: UploadContent): DataKey | undefined {
  return uploaded.kind === 'staged' ? uploaded.key : undefined
}
