import { Worker } from 'node:worker_threads'
import { ThreadChannel } from '../messaging/thread-channel.ts'
import { readReview, UnreadableReview, type Review } from './admission-review.ts'

/** What the thread for large reviews answers. */
export interface ReviewThreadSide {
  /** `body`: UTF-8. Undefined with a reason: the review cannot be read. */
  read(body: Uint8Array): ReadReview
}

export type ReadReview =
  { readonly review: Review } | { readonly unreadable: string; readonly uid: string | undefined }

/** Bytes that are parsed in place: some 3 ms. An API server's largest review is 36 MiB, and takes a second. */
const inPlaceLimit = 256 * 1024
/** Milliseconds after which the thread, which nobody needs, ends and gives its memory back. */
const idleLimit = 30_000
/** For a review of 36 MiB: its bytes, their text, and objects whose strings are a sixth of that. */
const threadHeap = { maxOldGenerationSizeMb: 256 }

/** Parses reviews; those that would hold the event loop, in a thread of its own that lives as long as they come. */
export class ReviewReader {
  #thread: { readonly worker: Worker; readonly channel: ThreadChannel<ReviewThreadSide> } | undefined
  #running = 0
  #idle: NodeJS.Timeout | undefined

  /** Rejects with UnreadableReview. The bytes are the reader's from now on. */
  async read(body: Uint8Array): Promise<Review> {
    if (body.byteLength <= inPlaceLimit)
      return readReview(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString())
    this.#running++
    clearTimeout(this.#idle)
    try {
      const read = await this.#started().call('read', body)
      if ('review' in read) return read.review
      throw new UnreadableReview(read.unreadable, read.uid)
    } finally {
      this.#running--
      if (this.#running === 0) this.#idle = setTimeout(() => this.close(), idleLimit).unref()
    }
  }

  close(): void {
    clearTimeout(this.#idle)
    void this.#thread?.worker.terminate()
    this.#thread = undefined
  }

  #started(): ThreadChannel<ReviewThreadSide> {
    if (this.#thread !== undefined) return this.#thread.channel
    const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const worker = new Worker(new URL(`./review-thread.${ending}`, import.meta.url), {
      resourceLimits: threadHeap,
    })
    const channel = new ThreadChannel<ReviewThreadSide>(worker)
    const thread = { worker, channel }
    this.#thread = thread
    channel.onEnd(() => {
      if (this.#thread === thread) this.#thread = undefined
    })
    return channel
  }
}
