import type { ChangeArguments, ChangeRunner } from './changes.ts'

type NewUpload = ChangeArguments<'createUpload'>

/** Long enough for a client's next request; whoever else looks for the upload does not wait for it. */
const heldBack = 10

/**
 * Uploads that this thread has opened and the writer does not know yet. Most end with the very next request, on the
 * same connection, and then never need a row. Who looks for one in another thread has it told first (`settle`).
 */
export class FreshUploads {
  readonly #changes: ChangeRunner
  #uploads = new Map<string, NewUpload>()
  #timer: NodeJS.Timeout | undefined

  constructor(changes: ChangeRunner) {
    this.#changes = changes
    changes.onSettle(() => this.tell())
  }

  add(upload: NewUpload): void {
    this.#uploads.set(upload.id, upload)
    this.#timer ??= setTimeout(() => this.tell(), heldBack)
  }

  /** The upload, which is the caller's from now on. */
  take(id: string): NewUpload | undefined {
    const upload = this.#uploads.get(id)
    this.#uploads.delete(id)
    return upload
  }

  /** Asks the writer for all of them. One for which there was no room after all is unknown from then on. */
  tell(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const uploads = this.#uploads
    this.#uploads = new Map()
    for (const upload of uploads.values()) this.#changes.run('createUpload', upload).catch(() => {})
  }
}
