import { counted } from '../counted.ts'
import type { ByteSource, Received, ReceiveOptions } from './blob-store.ts'
import { OciError } from '../oci/oci-error.ts'

/** The destination of received bytes. */
export interface Sink {
  /** Undefined: the caller need not wait. The chunk may be reused once the promise has resolved. */
  append(chunk: Uint8Array): Promise<void> | undefined
}

/**
 * Hashes all of `source` and appends it to `sink`. If the source fails or the signal is aborted, it returns
 * early; if the sink fails, it throws.
 */
export async function drain(
  source: ByteSource,
  options: Pick<ReceiveOptions, 'hasher' | 'expectedBytes'>,
  sink: Sink,
  signal: AbortSignal | undefined,
): Promise<Pick<Received, 'received' | 'interrupted'>> {
  const { hasher, expectedBytes = Infinity } = options
  const iterator = source[Symbol.asyncIterator]()
  let interrupt: ((reason: unknown) => void) | undefined
  const abort = (): void => interrupt?.(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  // Not a race with one promise for the whole body: each chunk would leave a listener on that promise.
  const next = (): Promise<IteratorResult<Uint8Array>> =>
    signal === undefined
      ? iterator.next()
      : new Promise((resolve, reject) => {
          interrupt = reject
          if (signal.aborted) abort()
          else iterator.next().then(resolve, reject)
        })
  let received = 0
  let ended = false
  try {
    for (;;) {
      let step: IteratorResult<Uint8Array>
      try {
        step = await next()
      } catch (error) {
        return { received, interrupted: error ?? new Error('the source failed') }
      }
      if (step.done === true) {
        ended = true
        if (received < expectedBytes && options.expectedBytes !== undefined)
          throw shorter(expectedBytes, received)
        return { received }
      }
      received += step.value.length
      if (received > expectedBytes) {
        throw new OciError('SIZE_INVALID', 'the content is longer than announced', {
          detail: `${counted(expectedBytes, 'byte')} announced, and more arrived`,
        })
      }
      const appended = sink.append(step.value)
      hasher.update(step.value)
      if (appended !== undefined) await appended
    }
  } finally {
    signal?.removeEventListener('abort', abort)
    // Not awaited: a source that hangs would make this call hang too.
    if (!ended) iterator.return?.()?.then(undefined, () => {})
  }
}

function shorter(expected: number, received: number): OciError {
  return new OciError('SIZE_INVALID', 'the content is shorter than announced', {
    detail: `${counted(expected, 'byte')} announced, and ${received} arrived`,
  })
}
