import type { ByteSource, Received, ReceiveOptions } from '../blob-store.ts'
import { OciError } from '../../oci/oci-error.ts'

/** Where received bytes go. */
export interface Sink {
  /** Undefined: no need to wait. The chunk may be used again when it has resolved. */
  append(chunk: Uint8Array): Promise<void> | undefined
}

/** Hashes all of `source` into `sink`. A failing source or the signal ends it early; a failing sink throws. */
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
  // No race with one promise for the whole body: each chunk would leave a listener on it.
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
          detail: `${expectedBytes} bytes were announced and more arrived`,
        })
      }
      const appended = sink.append(step.value)
      hasher.update(step.value)
      if (appended !== undefined) await appended
    }
  } finally {
    signal?.removeEventListener('abort', abort)
    // Not awaited: a source that hangs would hang us too.
    if (!ended) iterator.return?.()?.then(undefined, () => {})
  }
}

function shorter(expected: number, received: number): OciError {
  return new OciError('SIZE_INVALID', 'the content is shorter than announced', {
    detail: `${expected} bytes were announced and ${received} arrived`,
  })
}
