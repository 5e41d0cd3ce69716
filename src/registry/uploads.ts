import { startHasher } from '../blobs/hasher.ts'
import type { ContentHasher, Held, Received } from '../blobs/blob-store.ts'
import type { ChangeNote, UploadClaim, UploadRecord } from '../metadata/metadata-store.ts'
import type { ByteRange } from '../oci/byte-range.ts'
import { digestAlgorithm, type Digest, type DigestAlgorithm } from '../oci/digest.ts'
import { OciError } from '../oci/oci-error.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Body, Uploads, UploadStatus } from './registry.ts'
import type { RegistryParts } from './settings.ts'
import { requireRoom } from './storage-room.ts'
import { heldSize, UploadHashers } from './upload-hashers.ts'
import { UploadRangeError } from './upload-range-error.ts'

const nothing: Held = { kind: 'inline', bytes: new Uint8Array() }

const noBody: Body = {
  length: 0,
  source: {
    async *[Symbol.asyncIterator]() {},
  },
}

export class UploadRules implements Uploads {
  readonly #parts: RegistryParts
  readonly #hashers: UploadHashers

  constructor(parts: RegistryParts) {
    this.#parts = parts
    this.#hashers = new UploadHashers(parts.blobs)
  }

  async open(repository: RepositoryName, algorithm: DigestAlgorithm = 'sha256'): Promise<UploadStatus> {
    const { metadata, blobs, newId, now } = this.#parts
    await requireRoom(blobs)
    const id = newId()
    await metadata.createUpload({ id, repository, algorithm, now: now() })
    return { id, repository, offset: 0 }
  }

  async status(repository: RepositoryName, id: string): Promise<UploadStatus | undefined> {
    const upload = await this.#parts.metadata.findUpload(repository, id)
    return upload && statusOf(upload)
  }

  async append(
    repository: RepositoryName,
    id: string,
    body: Body,
    range: ByteRange | undefined,
    signal?: AbortSignal,
  ): Promise<UploadStatus> {
    await requireRoom(this.#parts.blobs)
    return this.#claimed(repository, id, signal, async (claim, stop) => {
      checkRange(claim.upload, body, range)
      const hasher = await this.#hashers.continue(claim.upload, range !== undefined)
      const held = await this.#receive(claim, body, hasher, stop)
      return { id, repository, offset: heldSize(held) }
    })
  }

  async finish(
    repository: RepositoryName,
    id: string,
    digest: Digest,
    body: Body | undefined,
    range: ByteRange | undefined,
    signal?: AbortSignal,
    note?: ChangeNote,
  ): Promise<void> {
    if (body !== undefined) await requireRoom(this.#parts.blobs)
    if (
      body?.length !== undefined &&
      body.length <= this.#parts.limits.inlineLimit &&
      isWhole(body.length, range)
    ) {
      const rest = await this.#finishWhole({ repository, id, digest, note }, body, signal)
      if (rest !== undefined) await this.#finishClaimed({ repository, id, digest, note }, rest, range, signal)
    } else await this.#finishClaimed({ repository, id, digest, note }, body, range, signal)
  }

  /** Small content in one step. Undefined: done; else what came, to be taken the long way. */
  async #finishWhole(
    { repository, id, digest, note }: Finish,
    body: Body,
    signal: AbortSignal | undefined,
  ): Promise<Body | undefined> {
    const { blobs, limits, metadata, now } = this.#parts
    const { inlineLimit } = limits
    const hasher = startHasher(digestAlgorithm(digest))
    const received = await blobs.receive(
      body.source,
      { held: nothing, hasher, inlineLimit, ...expected(body) },
      signal,
    )
    const { held, interrupted } = received
    if (held.kind !== 'inline') throw new Error('small content was not kept in memory')
    if (interrupted === undefined && hasher.digest() === digest) {
      const content = { repository, digest, size: held.bytes.byteLength, content: held }
      if (await metadata.putWholeBlob({ ...content, uploadId: id, now: now(), note })) return undefined
    }
    return replay(held.bytes, body.length, interrupted)
  }

  async #finishClaimed(
    { repository, id, digest, note }: Finish,
    body: Body | undefined,
    range: ByteRange | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    await this.#claimed(repository, id, signal, async (claim, stop) => {
      if (body !== undefined) checkRange(claim.upload, body, range)
      const { held, found } = await this.#complete(claim, digestAlgorithm(digest), body, stop)
      if (found !== digest) {
        await this.#parts.metadata.cancelUpload(repository, id)
        // What this very request brought was never recorded, so nobody else would take it away.
        if (held.kind === 'staged') await this.#parts.blobs.remove(held.key)
        throw wrongDigest(found, heldSize(held))
      }
      await this.#store({ repository, digest, note }, held, id)
      this.#hashers.forget(id)
    })
  }

  async single(
    repository: RepositoryName,
    digest: Digest,
    body: Body,
    signal?: AbortSignal,
    note?: ChangeNote,
  ): Promise<void> {
    const { blobs, limits } = this.#parts
    await requireRoom(blobs)
    const hasher = startHasher(digestAlgorithm(digest))
    const received = await blobs.receive(
      body.source,
      { held: nothing, hasher, inlineLimit: limits.inlineLimit, ...expected(body) },
      signal,
    )
    const found = hasher.digest()
    if (received.interrupted === undefined && found === digest) {
      return this.#store({ repository, digest, note }, received.held, undefined)
    }
    // Nobody can resume what has no session.
    if (received.held.kind === 'staged') await blobs.remove(received.held.key)
    throw (received.interrupted as Error | undefined) ?? wrongDigest(found, heldSize(received.held))
  }

  cancel(repository: RepositoryName, id: string, note?: ChangeNote): Promise<boolean> {
    const { metadata, now } = this.#parts
    this.#hashers.forget(id)
    return metadata.cancelUpload(repository, id, { note, now: now() })
  }

  /** Runs `work` with the right to write; `stop` fires when another request asks for it, or `signal` does. */
  async #claimed<Result>(
    repository: RepositoryName,
    id: string,
    signal: AbortSignal | undefined,
    work: (claim: UploadClaim, stop: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const contested = new AbortController()
    const claim = await this.#parts.metadata.claimUpload(repository, id, () => contested.abort(takenOver()))
    if (claim === undefined) throw unknownUpload()
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
    await this.#save(claim, received.held, hasher)
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
      await this.#save(claim, received.held, hasher.algorithm === upload.algorithm ? hasher : undefined)
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
      { held: upload.held, hasher, inlineLimit: limits.inlineLimit, ...expected(body) },
      stop,
    )
  }

  #save(claim: UploadClaim, held: Held, hasher: ContentHasher | undefined): Promise<void> {
    return claim.save({
      held,
      hashState: hasher?.save(),
      digest: hasher?.digest(),
      now: this.#parts.now(),
    })
  }

  async #store(
    { repository, digest, note }: Omit<Finish, 'id'>,
    held: Held,
    uploadId: string | undefined,
  ): Promise<void> {
    const { blobs, metadata, now } = this.#parts
    if (held.kind === 'staged') await blobs.publish(held.key)
    await metadata.putBlob({
      repository,
      digest,
      size: heldSize(held),
      content: held.kind === 'staged' ? { kind: 'stored', key: held.key } : held,
      uploadId,
      now: now(),
      note,
    })
  }
}

interface Finish {
  readonly repository: RepositoryName
  readonly id: string
  readonly digest: Digest
  readonly note: ChangeNote | undefined
}

function isWhole(length: number, range: ByteRange | undefined): boolean {
  return range === undefined || (range.start === 0 && range.end === length - 1)
}

/** A body that has been read already, and how it ended. */
function replay(bytes: Uint8Array, length: number | undefined, interrupted: unknown): Body {
  return {
    length,
    source: {
      async *[Symbol.asyncIterator]() {
        yield bytes
        if (interrupted !== undefined) throw interrupted as Error
      },
    },
  }
}

function statusOf(upload: UploadRecord): UploadStatus {
  return { id: upload.id, repository: upload.repository, offset: heldSize(upload.held) }
}

/** Throws UploadRangeError or OciError SIZE_INVALID; without a Content-Range the body goes to the end. */
function checkRange(upload: UploadRecord, body: Body, range: ByteRange | undefined): void {
  if (range === undefined) return
  const status = statusOf(upload)
  if (range.start !== status.offset) throw new UploadRangeError(status, range.start)
  const length = range.end - range.start + 1
  if (body.length === undefined || body.length === length) return
  throw new OciError('SIZE_INVALID', 'the length does not match the range', {
    detail: `Content-Range names ${length} bytes, Content-Length ${body.length}`,
  })
}

function expected(body: Body): { expectedBytes?: number } {
  return body.length === undefined ? {} : { expectedBytes: body.length }
}

function unknownUpload(): OciError {
  return new OciError('BLOB_UPLOAD_UNKNOWN', 'the upload is not known', {
    detail: 'it was finished, cancelled or has expired: begin a new upload',
  })
}

function takenOver(): OciError {
  return new OciError('BLOB_UPLOAD_INVALID', 'another request has taken over this upload', {
    detail: 'ask for the state of the upload and go on from there',
  })
}

function wrongDigest(found: Digest, size: number): OciError {
  return new OciError('DIGEST_INVALID', 'the digest does not match the content', {
    detail: `the ${size} bytes received have the digest ${found}; the upload was discarded`,
  })
}
