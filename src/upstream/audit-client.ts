import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'
import { RegistryHttp, type HttpRegistryOptions } from './registry-http.ts'
import { UpstreamFault } from './upstream-fault.ts'

/** An event, or the reason why no more follow. The caller knows which kinds of events to expect. */
const lineSchema = z.looseObject({ error: z.string().optional() })

/** The registry ended the stream, or the connection was cut. The caller may ask for the rest. */
export class StreamEnded extends Error {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options)
    this.name = 'StreamEnded'
  }
}

/** Bytes; far more than any event has. */
const longestLine = 4 * 1024 * 1024

/** Reads the audit log of a registry through the registry itself. */
export class AuditClient {
  readonly #http: RegistryHttp

  constructor(options: HttpRegistryOptions) {
    this.#http = new RegistryHttp(options)
  }

  /**
   * Yields the lines of the registry's JSON answer to `request` (`query?limit=10`). It reads no more than the
   * caller takes. Throws UpstreamFault of `RegistryHttp.ask`, `missing`, `malformed`, `failed`; StreamEnded
   * if the answer is cut or the registry can answer only later.
   */
  async *read(request: string, signal: AbortSignal): AsyncGenerator<object> {
    // A `follow` answer contains the position every few seconds. A `verify` answer is silent until a log has
    // been read.
    const silence = request.startsWith('follow') ? 60_000 : 3_600_000
    const answer = await this.#http.stream(`/trow/v1/audit/${request}`, { signal, silence })
    if (!('chunks' in answer)) {
      if (answer.status === 503 || answer.status === 429)
        throw new StreamEnded(`the registry answers ${answer.status}`)
      if (answer.status !== 404) this.#http.expect(answer, 200)
      throw new UpstreamFault('missing', `${this.#http.origin} shows no audit log`)
    }
    for await (const line of linesOf(answer.chunks)) {
      const event = tryForeignJson(line, lineSchema, longestLine)
      if (event === undefined) throw noLines()
      if (event.error !== undefined) throw new UpstreamFault('failed', event.error)
      yield event
    }
  }

  close(): Promise<void> {
    return this.#http.close()
  }
}

async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of chunks) {
      let start = 0
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
        yield Buffer.concat([...rest, chunk.subarray(start, end)]).toString()
        ;[rest, size, start] = [[], 0, end + 1]
      }
      rest.push(chunk.subarray(start))
      size += chunk.length - start
      if (size > longestLine) throw noLines()
    }
  } catch (cause) {
    if (cause instanceof UpstreamFault) throw cause
    throw new StreamEnded('the connection to the registry was cut', { cause })
  }
  if (size > 0) throw new StreamEnded('the registry ended in the midst of a line')
}

function noLines(): UpstreamFault {
  return new UpstreamFault('malformed', 'the registry sends no lines of an audit')
}
