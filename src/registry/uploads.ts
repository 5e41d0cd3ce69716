import { startHasher } from '../blobs/hasher.ts'
import type { ContentHasher, UploadContent } from '../blobs/blob-store.ts'
import type { UploadClaim } from '../metadata/records.ts'
import { digestAlgorithm, type DigestAlgorithm } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import { BlobPushes } from './blob-pushes.ts'
import type { Body, PushedBlob, UploadAddress, Uploads, UploadStatus } from './registry.ts'
import type { Requester } from './requester.ts'
import type { RegistryParts } from './settings.ts'
import { requireRoom } from './store-refusals.ts'
import { announcedBytes, checkRange, checkWhole, emptyContent, statusOf } from './upload-body.ts'
import { UploadFinish } from './upload-finish.ts'
import { contentSize, UploadHashers } from './upload-hashers.ts'
import { unknownUpload, wrongDigest } from './upload-refusals.ts'
import { UploadWrites } from './upload-writes.ts'

export class UploadRules implements Uploads {
  readonly #parts: RegistryParts
  readonly #hashers: UploadHashers
  readonly #pushes: BlobPushes
  readonly #writes: UploadWrites
  readonly #finish: UploadFinish

  constructor(parts: RegistryParts) {
    this.#parts = parts
    this.#hashers = new UploadHashers(parts.blobs)
    this.#pushes = new BlobPushes(parts, this.#hashers)
    this.#writes = new UploadWrites(parts)
    const shared = { hashers: this.#hashers, pushes: this.#pushes, writes: this.#writes }
    this.#finish = new UploadFinish({ parts, ...shared })
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
    const status = await this.#writes.claimed(repository, id, signal, async (claim, stop) => {
      checkRange(claim.upload, body)
      const hasher = await this.#hashers.continue(claim.upload, body.range !== undefined)
      const uploaded = await this.#receive(claim, body, hasher, stop)
      return { id, repository, offset: contentSize(uploaded) }
    })
    if (status === undefined) throw unknownUpload()
    return status
  }

  finish(id: string, pushed: PushedBlob, body: Body | undefined, signal?: AbortSignal): Promise<void> {
    return this.#finish.finish(id, pushed, body, signal)
  }

  async single(pushed: PushedBlob, body: Body, signal?: AbortSignal): Promise<void> {
    const blob = await this.#pushes.begin(pushed)
    const { blobs, limits } = this.#parts
    checkWhole(body)
    await requireRoom(blobs)
    const hasher = startHasher(digestAlgorithm(blob.digest))
    const received = await blobs.receive(
      body.source,
      { content: emptyContent, hasher, inlineLimit: limits.inlineLimit, ...announcedBytes(body) },
      signal,
    )
    const found = hasher.digest()
    if (received.interrupted === undefined && found === blob.digest) {
      return this.#pushes.store(blob, received.content, undefined)
    }
    // Without an upload session the client cannot resume.
    if (received.content.kind === 'staged') await blobs.remove(received.content.key)
    throw (received.interrupted as Error | undefined) ?? wrongDigest(found, contentSize(received.content))
  }

  cancel({ repository, id }: UploadAddress): Promise<boolean> {
    const { metadata, now } = this.#parts
    this.#hashers.forget(id)
    return metadata.cancelUpload(repository, id, { auditRecord: undefined, now: now() })
  }

  /** Receives the body and records what is held, also after an interruption, whose error it throws. */
  async #receive(
    claim: UploadClaim,
    body: Body,
    hasher: ContentHasher,
    stop: AbortSignal,
  ): Promise<UploadContent> {
    const received = await this.#writes.take(claim.upload, body, hasher, stop)
    await this.#writes.save(claim, received.content, { hasher, cutFrom: undefined })
    this.#hashers.keep(claim.upload, hasher, contentSize(received.content))
    if (received.interrupted !== undefined) throw received.interrupted as Error
    return received.content
  }
}
