import type { Readable } from 'node:stream'
import { freeMemory } from '../../free-memory.ts'
import type { ByteSource } from '../blob-store.ts'
import { headerOf, S3Unreachable } from './s3-fault.ts'
import type { S3Objects } from './s3-objects.ts'

/** An answer whose body has not been read yet. */
export interface OpenObject {
  readonly body: Readable
  readonly etag: string | undefined
}

export async function openObject(
  objects: S3Objects,
  name: string,
  range: { readonly start: number; readonly end: number } | undefined,
): Promise<OpenObject & { readonly headers: Readonly<Record<string, string | string[] | undefined>> }> {
  const { headers, body } = await objects.get(name, { ...range })
  // A body that is destroyed before anybody reads it must not end the process.
  body.on('error', () => undefined)
  return { headers, body, etag: headerOf(headers, 'etag') }
}

/**
 * Yields the bytes `start` to `end` of an object. If the connection is cut, the rest is asked for by a Range, with
 * If-Match, so that it is of the same object. `first`: an answer that has these bytes already; `etag`: of the object
 * that they are of. A chunk is freed when the next one is requested. Rejects when the signal fires.
 */
export async function* streamObject(
  objects: S3Objects,
  name: string,
  { start, end }: { readonly start: number; readonly end: number },
  { first, etag: known }: { readonly first?: OpenObject | undefined; readonly etag?: string | undefined },
  signal: AbortSignal,
): ByteSource & AsyncGenerator<Uint8Array> {
  const { retries } = objects.client
  let at = start
  let etag = known ?? first?.etag
  let open = first
  for (let failures = 0; at <= end;) {
    signal.throwIfAborted()
    open ??= await openRest(at)
    etag ??= open.etag
    const { body } = open
    const stop = (): void => void body.destroy()
    signal.addEventListener('abort', stop, { once: true })
    try {
      for await (const chunk of body) {
        const bytes = chunk as Buffer
        at += bytes.length
        failures = 0
        if (at > end + 1) throw new Error('S3 sent more than it announced')
        yield bytes
        freeMemory(bytes)
      }
      if (at <= end) throw new S3Unreachable(new Error('the answer ended too early'))
    } catch (error) {
      signal.throwIfAborted()
      if (at > end + 1 || !retries.mayRepeat(failures))
        throw error instanceof S3Unreachable ? error : new S3Unreachable(error)
      await retries.delay(failures++, signal)
    } finally {
      signal.removeEventListener('abort', stop)
      // Also where the consumer stops early: an unread body would keep its connection for ever.
      body.destroy()
      open = undefined
    }
  }

  async function openRest(from: number): Promise<OpenObject> {
    const { headers, body } = await objects.get(name, { start: from, end, etag }, signal)
    return { body, etag: headerOf(headers, 'etag') }
  }
}
