import type { DataKey, UploadContent } from '../blobs/blob-store.ts'
import type { UploadClaim } from '../metadata/records.ts'
import type { EncodedAuditRecord } from '../metadata/outbox.ts'
import { digestAlgorithm, type Digest } from '../oci/digest.ts'
import { OciError } from '../oci/oci-error.ts'
import type { PolicyStamp } from './content-guard.ts'
import { judgedChange } from './judged-change.ts'
import type { PushedBlob } from './registry.ts'
import type { RegistryParts } from './settings.ts'
import { contentSize, type UploadHashers } from './upload-hashers.ts'

/** A push that nothing refuses so far, before its bytes have arrived. */
export interface BegunPush extends PushedBlob {
  readonly auditRecord: EncodedAuditRecord | undefined
  /** Undefined: there are no policies, or the push is judged when its bytes have arrived. */
  readonly stamp: PolicyStamp | undefined
}

/** What a change that stores a blob carries: its audit record and the policies that it was judged by. */
interface JudgedBlob {
  readonly auditRecord: EncodedAuditRecord | undefined
  readonly policyGeneration: number | undefined
  /** The sha256 of bytes that are stored under another digest. */
  readonly twin?: Digest | undefined
}

/** Audits pushes of blobs, has them judged by policies, and stores what they allow. */
export class BlobPushes {
  readonly #parts: Pick<RegistryParts, 'blobs' | 'guard' | 'metadata' | 'now'>
  readonly #guard: RegistryParts['guard']
  readonly #hashers: UploadHashers

  constructor(parts: Pick<RegistryParts, 'blobs' | 'guard' | 'metadata' | 'now'>, hashers: UploadHashers) {
    this.#parts = parts
    this.#guard = parts.guard
    this.#hashers = hashers
  }

  /**
   * Called before a byte of the body is read. Throws if changes cannot be audited, or if policies refuse the
   * push. Policies identify content by its sha256: a push under another digest is judged when its bytes have
   * arrived.
   */
  async begin(pushed: PushedBlob): Promise<BegunPush> {
    const { requester, repository, digest } = pushed
    const auditRecord = requester.auditRecord({ action: 'push', repository, reference: digest })
    const guard = this.#guard
    if (guard === undefined) return { ...pushed, auditRecord, stamp: undefined }
    if (digestAlgorithm(digest) === 'sha256')
      return { ...pushed, auditRecord, stamp: await guard.pushBlob(pushed) }
    await guard.openUpload(requester, repository)
    return { ...pushed, auditRecord, stamp: undefined }
  }

  /**
   * Runs the change that stores the bytes, if policies allow it. If the policies change meanwhile, the push
   * is judged again and the change runs once more.
   */
  async keep<Result>(
    push: BegunPush,
    uploaded: UploadContent,
    change: (judged: JudgedBlob) => Promise<Result>,
  ): Promise<Result> {
    const guard = this.#guard
    if (guard === undefined) return change({ auditRecord: push.auditRecord, policyGeneration: undefined })
    const { requester, repository, digest } = push
    const sha256 = await this.#sha256Of(digest, uploaded)
    let first = push.stamp
    const judge = (): PolicyStamp | Promise<PolicyStamp> => {
      const stamp = first
      first = undefined
      return stamp ?? guard.pushBlob({ requester, repository, digest, sha256 })
    }
    return judgedChange(guard, judge, ({ registryGeneration, isRecorded }) =>
      change({
        auditRecord: isRecorded
          ? requester.auditRecord({ action: 'push', repository, reference: digest })
          : push.auditRecord,
        policyGeneration: registryGeneration,
        ...(sha256 !== digest && { twin: sha256 }),
      }),
    )
  }

  /** A push of a blob that is stored already, judged as if it were pushed now. */
  async again({ requester, repository, digest, stamp }: BegunPush): Promise<void> {
    if (stamp === undefined) await this.#guard?.pushBlob({ requester, repository, digest })
  }

  /** Makes a blob of the bytes that were received. Removes them if policies refuse it, and rejects as `keep` does. */
  async store(push: BegunPush, uploaded: UploadContent, claim: UploadClaim | undefined): Promise<void> {
    const { repository, digest } = push
    const { blobs, metadata, now } = this.#parts
    const { fence } = claim ?? {}
    const uploadId = claim?.upload.id
    let key: DataKey | undefined
    try {
      await this.keep(push, uploaded, async (judged) => {
        if (uploaded.kind === 'staged') key ??= await blobs.publish(uploaded)
        await metadata.putBlob({
          ...judged,
          repository,
          digest,
          size: contentSize(uploaded),
          content: uploaded.kind === 'staged' ? { kind: 'stored', key: key ?? uploaded.key } : uploaded,
          uploadId,
          fence,
          now: now(),
        })
      })
    } catch (error) {
      // Without an upload nobody can resume, whatever the refusal; with one, only a refusal by policies ends it.
      const isOver = uploadId === undefined ? error instanceof OciError : isDenial(error)
      if (!isOver) throw error
      // Nothing was committed: no row names the bytes, so they are removed here.
      const isOurs =
        uploadId === undefined || (await metadata.cancelUpload(repository, uploadId, undefined, fence))
      if (uploaded.kind === 'staged' && isOurs) await blobs.remove(uploaded.key)
      if (key !== undefined) await blobs.remove(key)
      throw error
    }
    // The bytes were copied, and no row names the first ones any more. If this fails, they are orphans.
    if (uploaded.kind === 'staged' && key !== uploaded.key)
      await blobs.remove(uploaded.key).catch(() => undefined)
  }

  async #sha256Of(digest: Digest, uploaded: UploadContent): Promise<Digest> {
    if (digestAlgorithm(digest) === 'sha256') return digest
    return (await this.#hashers.digest(uploaded, 'sha256')).digest()
  }
}

/** Whether policies have refused the change. */
function isDenial(error: unknown): boolean {
  return error instanceof OciError && error.code === 'DENIED'
}
