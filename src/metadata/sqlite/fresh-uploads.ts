import type { UploadClaim, UploadRecord } from '../records.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { ChangeArguments } from '../rules/changes.ts'
import type { UploadRunner } from './upload-runner.ts'

type NewUpload = ChangeArguments<'createUpload'>

interface FreshUpload {
  readonly upload: NewUpload
  /** Set while a request of this thread writes to the upload. */
  onContested: (() => void) | undefined
  /**
   * Set once the upload has been sent to the writer. Resolves when a request that writes to it has its claim.
   */
  flushed: Promise<void> | undefined
}

/**
 * Milliseconds. Long enough for a client's next request; a thread that looks for the upload calls `settle`
 * and does not wait this long.
 */
const flushDelay = 10

/**
 * Uploads that this thread has opened and has not sent to the writer yet. Most end with the next request on
 * the same connection and then need no row and no claim. A request that looks for one from another thread, or
 * finds it busy, has it sent to the writer first (`settle`).
 */
export class FreshUploads {
  readonly #changes: UploadRunner
  readonly #uploads = new Map<string, FreshUpload>()
  #isFlushScheduled = false

  constructor(changes: UploadRunner) {
    this.#changes = changes
    changes.onFlushPending(() => this.flushAll())
  }

  add(upload: NewUpload): void {
    this.#uploads.set(upload.id, { upload, onContested: undefined, flushed: undefined })
    this.#flushSoon()
  }

  /** Undefined: the upload is not in this thread, or is busy. */
  claim(repository: RepositoryName, id: string, onContested: () => void): UploadClaim | undefined {
    const fresh = this.#find(repository, id)
    if (fresh === undefined || fresh.onContested !== undefined) return undefined
    fresh.onContested = onContested
    return {
      upload: recordOf(fresh.upload),
      save: async (state) => {
        // If the upload was cancelled or has ended meanwhile, it is no longer in the map; the change
        // `saveUpload` handles that.
        if (this.#uploads.get(id) === fresh) this.#flush(fresh)
        await fresh.flushed
        return this.#changes.run('saveUpload', { id, ...state })
      },
      release: async () => {
        fresh.onContested = undefined
        if (fresh.flushed === undefined) return this.#flushSoon()
        await fresh.flushed
        await this.#changes.release(id)
      },
    }
  }

  /** Removes the upload, busy or not. Undefined: it is not in this thread. `undo` puts it back. */
  end(repository: RepositoryName, id: string): { readonly undo: () => void } | undefined {
    const fresh = this.#find(repository, id)
    if (fresh === undefined) return undefined
    this.#uploads.delete(id)
    return {
      undo: () => {
        this.#uploads.set(id, fresh)
        this.#flushSoon()
      },
    }
  }

  isBusy(id: string): boolean {
    return this.#uploads.get(id)?.onContested !== undefined
  }

  flushAll(): void {
    for (const fresh of this.#uploads.values()) this.#flush(fresh)
  }

  #find(repository: RepositoryName, id: string): FreshUpload | undefined {
    const fresh = this.#uploads.get(id)
    return fresh?.upload.repository === repository ? fresh : undefined
  }

  /** Busy uploads are not sent: they may end without a row. */
  #flushSoon(): void {
    if (this.#isFlushScheduled) return
    this.#isFlushScheduled = true
    setTimeout(() => {
      this.#isFlushScheduled = false
      for (const fresh of this.#uploads.values()) if (fresh.onContested === undefined) this.#flush(fresh)
    }, flushDelay)
  }

  /** If the store has no room for the upload, it is unknown from then on. */
  #flush(fresh: FreshUpload): void {
    const { id } = fresh.upload
    this.#uploads.delete(id)
    this.#changes.run('createUpload', fresh.upload).catch(() => {})
    // The claim is requested together with the creation, so no other thread can claim the upload first.
    fresh.flushed =
      fresh.onContested === undefined ? Promise.resolve() : this.#changes.claim(id, fresh.onContested)
    fresh.flushed.catch(() => {})
  }
}

function recordOf({ id, repository, algorithm, now }: NewUpload): UploadRecord {
  return {
    id,
    repository,
    algorithm,
    content: { kind: 'inline', bytes: new Uint8Array() },
    hashState: undefined,
    digest: undefined,
    cutFrom: undefined,
    startedAt: now,
    touchedAt: now,
  }
}
