import { setTimeout as sleep } from 'node:timers/promises'
import type { BlobProgress, BlobSource } from '../upstream/registry-pusher.ts'
import { UpstreamFault } from '../upstream/upstream-fault.ts'

/** Attempts in a row that bring no byte. */
const fruitless = 5
/** Milliseconds before an attempt, multiplied by the number of attempts without a byte. */
const pause = 500

/**
 * Yields the bytes of a blob of a registry. A connection that is cut is followed by another one, which goes on
 * where it ended (RFC 9110, 14.2), as long as that brings bytes. Throws the UpstreamFault of the last one.
 */
export async function* readBlob(
  blob: BlobSource,
  progress: BlobProgress,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let at = 0
  for (let misses = 0; ;) {
    const began = at
    try {
      for await (const chunk of blob.open(at)) {
        signal.throwIfAborted()
        yield chunk
        at += chunk.length
        progress.sent(at)
      }
      return
    } catch (error) {
      misses = at > began ? 1 : misses + 1
      const isCut = error instanceof UpstreamFault && error.kind === 'unreachable'
      if (!isCut || signal.aborted || misses > fruitless) throw error
      progress.interrupted(error)
      await sleep(pause * misses, undefined, { signal })
    }
  }
}
