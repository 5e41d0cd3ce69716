import { startHasher } from '../blobs/hasher.ts'
import type { ContentHasher, DataKey, Held, Received } from '../blobs/blob-store.ts'
import type { BlobContent, UploadClaim, UploadRecord } from '../metadata/records.ts'
import { digestAlgorithm, type Digest, type DigestAlgorithm } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import { BlobPushes, isDenial, type BegunPush } from './blob-pushes.ts'
import { BodyTurns } from './body-turns.ts'
import type { Body, PushedBlob, UploadAddress, Uploads, UploadStatus } from './registry.ts'
import type { Requester } from './requester.ts'
import type { RegistryParts } from './settings.ts'
import { requireRoom } from './storage-room.ts'
import { receiveAfterCut } from './cut-upload.ts'
import {
  announcedBytes,
  checkRange,
  checkWhole,
  discard,
  emptyHeld,
  noBody,
  replay,
  statusOf,
} from './upload-body.ts'
import { heldSize, UploadHashers } from './upload-hashers.ts'
import { fitsNeither, longerThanBlob, takenOver, unknownUpload, wrongDigest } from './upload-refusals.ts'

export class UploadRules implements Uploads {
  readonly #parts: RegistryParts
  readonly #hashers: UploadHashers
  readonly #pushes: BlobPushes
  readonly #turns = new BodyTurns()

  constructor(parts: RegistryParts) {
    this.#parts = parts
    this.#hashers = new UploadHashers(parts.blobs)
    this.#pushes = new BlobPushes(parts, this.#hashers)
  }

  async open(
    requester: Requester,
    repository: RepositoryName,
    algorithm: DigestAlgorithm = 'sha256',
  ): Promise<UploadStatus> {
    const { metadata, blobs, guard, newId, now } = this.#parts
    await guard?.openUpload(requester, repository)
    await requireRoom(blobs)
    const id = newId()
    await metadata.createUpload({ id, repository, algorithm, now: now() })
    return { id, repository, offset: 0 }
  }

  async status({ repository, id }: UploadAddress): Promise<UploadStatus | undefined> {
    const upload = await this.#parts.metadata.findUpload(repository, id)
    return upload && statusOf(upload)
  }

  async append(address: UploadAddress, body: Body, signal?: AbortSignal): Promise<UploadStatus> {
    const { requester, repository, id } = address
    await this.#parts.guard?.openUpload(requester, repository)
    await requireRoom(this.#parts.blobs)
    const status = await this.#claimed(repository, id, signal, async (claim, stop) => {
      checkRange(claim.upload, body)
      const hasher = await this.#hashers.continue(claim.upload, body.range !== undefined)
      const held = await this.#receive(claim, body, hasher, stop)
      return { id, repository, offset: heldSize(held) }
    })
    if (status === undefined) throw unknownUpload()
    return status
  }

  async finish(id: string, pushed: PushedBlob, body: Body | undefined, signal?: AbortSignal): Promise<void> {
    const blob = await this.#pushes.begin(pushed)
    if (body !== undefined) await requireRoom(this.#parts.blobs)
    // A client that waits to be asked for its body is told first what stands against it.
    if (body?.onDemand === false && isSmallAndWhole(body, this.#parts.limits.inlineLimit)) {
      const rest = await this.#finishWhole(id, blob, body, signal)
      if (rest !== undefined) await this.#finishClaimed(id, blob, rest, signal)
    } else await this.#finishClaimed(id, blob, body, signal)
  }

  /** Small content in one step. Undefined: done; else what came, to be taken the long way. */
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
      { held: emptyHeld, hasher, inlineLimit, ...announcedBytes(body) },
      signal,
    )
    const { held, interrupted } = received
    if (held.kind !== 'inline') throw new Error('small content was not kept in memory')
    if (interrupted === undefined && hasher.digest() === digest) {
      const content = { repository, digest, size: held.bytes.byteLength, content: held, uploadId: id }
      const isKept = await this.#pushes.keep(push, held, (judged) =>
        metadata.putWholeBlob({ ...content, ...judged, now: now() }),
      )
      if (isKept) return undefined
    }
    return replay(held.bytes, body, interrupted)
  }

  async #finishClaimed(
    id: string,
    blob: BegunPush,
    body: Body | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { repository, digest } = blob
    const { blobs, limits, now } = this.#parts
    const done = await this.#claimed(repository, id, signal, async (claim, stop) => {
      const { upload } = claim
      if (body !== undefined) checkRange(upload, body)
      const last = body?.length === 0 ? undefined : body
      const cut = last?.range === undefined ? upload.cutFrom : undefined
      if (last === undefined || cut === undefined) {
        const { held, found } = await this.#complete(claim, digestAlgorithm(digest), last, stop)
        if (found !== digest) await this.#refuse(upload, held, found)
        await this.#store(blob, held, id)
      } else {
        const parts = { blobs, hashers: this.#hashers, inlineLimit: limits.inlineLimit, now }
        const { held, found } = await receiveAfterCut(
          parts,
          { ...claim, cutFrom: cut },
          { digest, body: last, stop },
        )
        if (held === undefined) throw fitsNeither(found, heldSize(upload.held))
        await this.#store(blob, held, id)
        // The row that named these bytes went with the upload.
        if (upload.held.kind === 'staged' && keyOf(held) !== upload.held.key)
          await blobs.remove(upload.held.key)
      }
      this.#hashers.forget(id)
      return true
    })
    if (done === undefined) await this.#finishAgain(blob, body, signal)
  }

  /** What was received has another digest. After a cut request the client may send it again, else the upload goes. */
  async #refuse(upload: UploadRecord, held: Held, found: Digest): Promise<never> {
    const { blobs, metadata } = this.#parts
    const isKept = upload.cutFrom !== undefined
    if (!isKept) await metadata.cancelUpload(upload.repository, upload.id)
    // What this very request brought was never recorded, so nobody else would take it away.
    const key = keyOf(held)
    if (key !== undefined && !(isKept && key === keyOf(upload.held))) await blobs.remove(key)
    throw isKept ? fitsNeither(found, heldSize(upload.held)) : wrongDigest(found, heldSize(held))
  }

  /**
   * The upload is not there: where its blob is, the client has missed the reply to the request that ended it. The body is
   * not needed, and the blob's grace period begins anew. Throws OciError BLOB_UPLOAD_UNKNOWN.
   */
  async #finishAgain(
    push: BegunPush,
    body: Body | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { repository, digest, note } = push
    const { metadata, now } = this.#parts
    const blob = await metadata.findLink(repository, digest)
    if (blob === undefined) throw unknownUpload()
    await this.#pushes.again(push)
    if (body !== undefined) {
      if (body.length !== undefined && body.length > blob.size) throw longerThanBlob(blob.size)
      await discard(body, blob.size, signal)
    }
    if (!(await metadata.touchBlob({ repository, digest, now: now(), note }))) throw unknownUpload()
  }

  async single(pushed: PushedBlob, body: Body, signal?: AbortSignal): Promise<void> {
    const blob = await this.#pushes.begin(pushed)
    const { blobs, limits } = this.#parts
    checkWhole(body)
    await requireRoom(blobs)
    const hasher = startHasher(digestAlgorithm(blob.digest))
    const received = await blobs.receive(
      body.source,
      { held: emptyHeld, hasher, inlineLimit: limits.inlineLimit, ...announcedBytes(body) },
      signal,
    )
    const found = hasher.digest()
    if (received.interrupted === undefined && found === blob.digest) {
      return this.#store(blob, received.held, undefined)
    }
    // Nobody can resume what has no session.
    if (received.held.kind === 'staged') await blobs.remove(received.held.key)
    throw (received.interrupted as Error | undefined) ?? wrongDigest(found, heldSize(received.held))
  }

  cancel({ repository, id }: UploadAddress): Promise<boolean> {
    const { metadata, now } = this.#parts
    this.#hashers.forget(id)
    return metadata.cancelUpload(repository, id, { note: undefined, now: now() })
  }

  /**
   * Runs `work` with the right to write; `stop` fires when another request asks for it, or `signal` does. Undefined: there
   * is no such upload.
   */
  async #claimed<Result>(
    repository: RepositoryName,
    id: string,
    signal: AbortSignal | undefined,
    work: (claim: UploadClaim, stop: AbortSignal) => Promise<Result>,
  ): Promise<Result | undefined> {
    // Each costs some tenth of a millisecond, however few its bytes are.
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

  /** Takes the body and records what is held then, all of it or what came before an interruption, which it throws. */
  async #receive(claim: UploadClaim, body: Body, hasher: ContentHasher, stop: AbortSignal): Promise<Held> {
    const received = await this.#take(claim.upload, body, hasher, stop)
    await this.#save(claim, received.held, { hasher, cutFrom: undefined })
    this.#hashers.keep(claim.upload, hasher, heldSize(received.held))
    if (received.interrupted !== undefined) throw received.interrupted as Error
    return received.held
  }

  /** Everything held after the closing request, and its digest in `algorithm`. */
  async #complete(
    claim: UploadClaim,
    algorithm: DigestAlgorithm,
    body: Body | undefined,
    stop: AbortSignal,
  ): Promise<{ held: Held; found: Digest }> {
    const { upload } = claim
    if (body === undefined) {
      // Cuts what a writer that died may have left past the recorded end.
      const { held } = await this.#take(upload, noBody, startHasher(algorithm), stop)
      const known = upload.algorithm === algorithm ? upload.digest : undefined
      return { held, found: known ?? (await this.#hashers.digest(held, algorithm)).digest() }
    }
    const whole = heldSize(upload.held) === 0
    const hasher = whole ? startHasher(algorithm) : await this.#hashers.continue(upload, false)
    const received = await this.#take(upload, body, hasher, stop)
    if (received.interrupted !== undefined) {
      // The client may resume: what came is kept, in the algorithm that the upload was begun with.
      await this.#save(claim, received.held, {
        hasher: hasher.algorithm === upload.algorithm ? hasher : undefined,
        cutFrom: upload.cutFrom ?? heldSize(upload.held),
      })
      throw received.interrupted as Error
    }
    const last =
      hasher.algorithm === algorithm ? hasher : await this.#hashers.digest(received.held, algorithm)
    return { held: received.held, found: last.digest() }
  }

  #take(upload: UploadRecord, body: Body, hasher: ContentHasher, stop: AbortSignal): Promise<Received> {
    const { blobs, limits } = this.#parts
    return blobs.receive(
      body.source,
      { held: upload.held, hasher, inlineLimit: limits.inlineLimit, ...announcedBytes(body) },
      stop,
    )
  }

  #save(
    claim: UploadClaim,
    held: Held,
    { hasher, cutFrom }: { readonly hasher: ContentHasher | undefined; readonly cutFrom: number | undefined },
  ): Promise<void> {
    return claim.save({
      held,
      hashState: hasher?.save(),
      digest: hasher?.digest(),
      cutFrom,
      now: this.#parts.now(),
    })
  }

  async #store(push: BegunPush, held: Held, uploadId: string | undefined): Promise<void> {
    const { repository, digest } = push
    const { blobs, metadata, now } = this.#parts
    const content: BlobContent = held.kind === 'staged' ? { kind: 'stored', key: held.key } : held
    try {
      await this.#pushes.keep(push, held, async (judged) => {
        if (held.kind === 'staged') await blobs.publish(held.key)
        await metadata.putBlob({
          ...judged,
          repository,
          digest,
          size: heldSize(held),
          content,
          uploadId,
          now: now(),
        })
      })
    } catch (error) {
      if (!isDenial(error)) throw error
      // What has come and is refused is nobody's, and has no row that names it.
      if (uploadId !== undefined) await metadata.cancelUpload(repository, uploadId)
      if (held.kind === 'staged') await blobs.remove(held.key)
      throw error
    }
  }
}

function isSmallAndWhole({ length, range }: Body, limit: number): boolean {
  if (length === undefined || length > limit) return false
  return range === undefined || (range.start === 0 && range.end === length - 1)
}

function keyOf(held: Held): DataKey | undefined {
  return held.kind === 'staged' ? held.key : undefined
}
