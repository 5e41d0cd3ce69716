import type { Held } from '../blobs/blob-store.ts'
import type { ChangeNote } from '../metadata/outbox.ts'
import { digestAlgorithm, type Digest } from '../oci/digest.ts'
import { OciError } from '../oci/oci-error.ts'
import type { PolicyStamp } from './content-guard.ts'
import { judgedChange } from './judged-change.ts'
import type { PushedBlob } from './registry.ts'
import type { RegistryParts } from './settings.ts'
import type { UploadHashers } from './upload-hashers.ts'

/** A push that may go on, as far as can be said before its bytes have come. */
export interface BegunPush extends PushedBlob {
  readonly note: ChangeNote | undefined
  /** Undefined: nobody judges, or the bytes are still to be judged. */
  readonly stamp: PolicyStamp | undefined
}

/** What a change that keeps a blob says of whose it is. */
export interface Judged {
  readonly note: ChangeNote | undefined
  readonly policyGeneration: number | undefined
  /** The sha256 of bytes that are kept under another digest. */
  readonly twin?: Digest | undefined
}

/** Pushes of blobs as the audit and policies see them. */
export class BlobPushes {
  readonly #guard: RegistryParts['guard']
  readonly #hashers: UploadHashers

  constructor({ guard }: Pick<RegistryParts, 'guard'>, hashers: UploadHashers) {
    this.#guard = guard
    this.#hashers = hashers
  }

  /**
   * Before a byte is read: where changes cannot be audited none is begun, and nobody is asked for bytes that are refused. Policies
   * know content by its sha256: of a push by another digest it is known when the bytes are.
   */
  async begin(pushed: PushedBlob): Promise<BegunPush> {
    const { requester, repository, digest } = pushed
    const note = requester.note({ action: 'push', repository, reference: digest })
    const guard = this.#guard
    if (guard === undefined) return { ...pushed, note, stamp: undefined }
    if (digestAlgorithm(digest) === 'sha256') return { ...pushed, note, stamp: await guard.pushBlob(pushed) }
    await guard.openUpload(requester, repository)
    return { ...pushed, note, stamp: undefined }
  }

  /** Runs the change that keeps the bytes, if policies let them pass, once more with what they say then where they change meanwhile. */
  async keep<Result>(
    push: BegunPush,
    held: Held,
    change: (judged: Judged) => Promise<Result>,
  ): Promise<Result> {
    const guard = this.#guard
    if (guard === undefined) return change({ note: push.note, policyGeneration: undefined })
    const { requester, repository, digest } = push
    const sha256 = await this.#sha256Of(digest, held)
    let first = push.stamp
    const judge = (): PolicyStamp | Promise<PolicyStamp> => {
      const stamp = first
      first = undefined
      return stamp ?? guard.pushBlob({ requester, repository, digest, sha256 })
    }
    return judgedChange(guard, judge, ({ generation, isNoted }) =>
      change({
        note: isNoted ? requester.note({ action: 'push', repository, reference: digest }) : push.note,
        policyGeneration: generation,
        ...(sha256 !== digest && { twin: sha256 }),
      }),
    )
  }

  /** What is kept already, and is answered for as if it had been pushed now. */
  async again({ requester, repository, digest, stamp }: BegunPush): Promise<void> {
    if (stamp === undefined) await this.#guard?.pushBlob({ requester, repository, digest })
  }

  async #sha256Of(digest: Digest, held: Held): Promise<Digest> {
    if (digestAlgorithm(digest) === 'sha256') return digest
    return (await this.#hashers.digest(held, 'sha256')).digest()
  }
}

/** Whether policies are why something was not kept. */
export function isDenial(error: unknown): boolean {
  return error instanceof OciError && error.code === 'DENIED'
}
