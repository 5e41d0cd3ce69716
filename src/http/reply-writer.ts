import type { ServerResponse } from 'node:http'
import type { ServerRequest } from './server-request.ts'
import { isStreamBody, type Reply, type StreamBody } from './reply.ts'

/** The only code that writes to a response. Resolves with the bytes of body sent, once they are handed to the kernel. */
export async function writeReply(
  response: ServerResponse,
  request: ServerRequest,
  reply: Reply,
): Promise<number> {
  const { status, headers, body } = reply
  const length = isStreamBody(body) ? body.length : lengthOf(body)
  const isOpenEnded = isStreamBody(body) && length === undefined
  if (status !== 204 && status !== 304 && !isOpenEnded) {
    headers.push('Content-Length', String(length ?? reply.length ?? 0))
  }
  response.writeHead(status, headers)
  if (request.method === 'HEAD' || status === 304 || body === undefined) {
    if (isStreamBody(body)) body.close()
    response.end()
    return 0
  }
  // The first chunk may take long, so the headers are sent now.
  if (isOpenEnded) response.flushHeaders()
  if (isStreamBody(body)) return sendStream(response, body)
  endWith(response, body, length ?? 0)
  return length ?? 0
}

function lengthOf(body: Uint8Array | string | undefined): number | undefined {
  return body === undefined ? undefined : Buffer.byteLength(body)
}

const oneWrite = 16 * 1024

/** Node sends head and body in one write, without a vector, when both are strings; latin1 keeps every byte. */
function endWith(response: ServerResponse, body: Uint8Array | string, bytes: number): void {
  if (typeof body === 'string') response.end(body, bytes === body.length ? 'latin1' : 'utf8')
  else if (bytes > oneWrite) response.end(body)
  else response.end(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1'), 'latin1')
}

/**
 * A chunk is valid only until the next one is requested, so each write is awaited until the kernel has the
 * chunk.
 */
async function sendStream(response: ServerResponse, body: StreamBody): Promise<number> {
  let sent = 0
  const source = body.stream()[Symbol.asyncIterator]()
  const writer = new ResponseWriter(response)
  try {
    for (let next = await source.next(); !next.done; next = await source.next()) {
      await writer.write(next.value)
      sent += next.value.byteLength
    }
    response.end()
    return sent
  } catch (error) {
    // Too late for an error reply: only a cut connection tells the client that the body is not whole.
    response.destroy()
    if (error instanceof ConnectionLost) return sent
    throw error
  } finally {
    writer.end()
    await source.return?.()
    body.close()
  }
}

class ConnectionLost extends Error {}

class ResponseWriter {
  readonly #response: ServerResponse
  #resolve: (() => void) | undefined
  #reject: ((error: Error) => void) | undefined

  constructor(response: ServerResponse) {
    this.#response = response
    response.once('close', this.#closed)
    if (response.socket !== null) return
    // This response waits behind another reply on its connection (pipelining). Until its turn comes, Node
    // does not notify it that the connection is closed.
    response.req.socket.setMaxListeners(0).once('close', this.#closed)
  }

  end(): void {
    this.#response.req.socket.off('close', this.#closed)
  }

  write(chunk: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const { destroyed, closed, req } = this.#response
      if (destroyed || closed || req.socket.destroyed) return reject(new ConnectionLost())
      this.#resolve = resolve
      this.#reject = reject
      this.#response.write(chunk, this.#written)
    })
  }

  readonly #closed = (): void => this.#reject?.(new ConnectionLost())

  readonly #written = (error: Error | null | undefined): void => {
    if (error) this.#reject?.(new ConnectionLost())
    else this.#resolve?.()
  }
}
