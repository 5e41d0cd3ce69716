import { parentPort, type MessagePort } from 'node:worker_threads'
import { ThreadChannel } from '../messaging/thread-channel.ts'
import { readReview, UnreadableReview } from './admission-review.ts'
import type { ReadReview, ReviewThreadSide } from './review-reader.ts'

/** The thread that parses large reviews, one after another. */
const local: ReviewThreadSide = {
  read(body): ReadReview {
    try {
      return { review: readReview(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()) }
    } catch (error) {
      if (error instanceof UnreadableReview) return { unreadable: error.message, uid: error.uid }
      throw error
    }
  },
}
new ThreadChannel(parentPort as MessagePort, local)
