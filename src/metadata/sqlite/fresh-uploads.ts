import type { UploadClaim, UploadRecord } from '../records.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { ChangeArguments, ChangeRunner } from '../rules/changes.ts'

type NewUpload = ChangeArguments<'createUpload'>

interface FreshUpload {
  readonly upload: NewUpload
  /** Set while a request of this thread writes to it. */
  letGo: (() => void) | undefined
  /** Set when the writer has been told: then it counts who writes to it. */
  told: Promise<void> | undefined
}

/** Long enough for a client's next request; whoever else looks for the upload does not wait for it. */
const heldBack = 10

/**
 * Uploads that this thread has opened and the writer does not know yet. Most end with the very next request, on the
 * same connection, and then never need a row or a claim. Who looks for one in another thread, or finds it busy, has
 * it told first (`settle`).
 */
export class FreshUploads {
  readonly #changes: ChangeRunner
  readonly #uploads = new Map<string, FreshUpload>()
  #telling = false

  constructor(changes: ChangeRunner) {
    this.#changes = changes
    changes.onSettle(() => this.tellAll())
  }

  add(upload: NewUpload): void {
    this.#uploads.set(upload.id, { upload, letGo: undefined, told: undefined })
    this.#tellSoon()
  }

  /** Undefined: not here, or busy. */
  claim(repository: RepositoryName, id: string, letGo: () => void): UploadClaim | undefined {
    const fresh = this.#find(repository, id)
    if (fresh === undefined || fresh.letGo !== undefined) return undefined
    fresh.letGo = letGo
    return {
      upload: recordOf(fresh.upload),
      save: async (state) => {
        // One that was cancelled or has ended meanwhile is not here any more: the change knows what to do then.
        if (this.#uploads.get(id) === fresh) this.#tell(fresh)
        await fresh.told
        await this.#changes.run('saveUpload', { id, ...state })
      },
      release: async () => {
        fresh.letGo = undefined
        if (fresh.told === undefined) return this.#tellSoon()
        await fresh.told
        await this.#changes.release(id)
      },
    }
  }

  /** Takes it out for good, busy or not. Undefined: not here. `undo` puts it back. */
  end(repository: RepositoryName, id: string): { readonly undo: () => void } | undefined {
    const fresh = this.#find(repository, id)
    if (fresh === undefined) return undefined
    this.#uploads.delete(id)
    return {
      undo: () => {
        this.#uploads.set(id, fresh)
        this.#tellSoon()
      },
    }
  }

  isBusy(id: string): boolean {
    return this.#uploads.get(id)?.letGo !== undefined
  }

  tellAll(): void {
    for (const fresh of this.#uploads.values()) this.#tell(fresh)
  }

  #find(repository: RepositoryName, id: string): FreshUpload | undefined {
    const fresh = this.#uploads.get(id)
    return fresh?.upload.repository === repository ? fresh : undefined
  }

  /** Those that are busy may yet end without. */
  #tellSoon(): void {
    if (this.#telling) return
    this.#telling = true
    setTimeout(() => {
      this.#telling = false
      for (const fresh of this.#uploads.values()) if (fresh.letGo === undefined) this.#tell(fresh)
    }, heldBack)
  }

  /** An upload for which there was no room after all is unknown from then on. */
  #tell(fresh: FreshUpload): void {
    const { id } = fresh.upload
    this.#uploads.delete(id)
    this.#changes.run('createUpload', fresh.upload).catch(() => {})
    // Asked for in one breath with the creation: nobody can be before us.
    fresh.told = fresh.letGo === undefined ? Promise.resolve() : this.#changes.claim(id, fresh.letGo)
    fresh.told.catch(() => {})
  }
}

function recordOf({ id, repository, algorithm, now }: NewUpload): UploadRecord {
  return {
    id,
    repository,
    algorithm,
    held: { kind: 'inline', bytes: new Uint8Array() },
    hashState: undefined,
    digest: undefined,
    cutFrom: undefined,
    startedAt: now,
    touchedAt: now,
  }
}
