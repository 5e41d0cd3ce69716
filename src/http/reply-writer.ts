import type { ServerResponse } from 'node:http'
import { OciError, type OciErrorEntry } from '../oci/oci-error.ts'
import { UploadRangeError } from '../registry/upload-range-error.ts'
import type { RegistryRequest } from './registry-request.ts'
import { isStreamBody, type FlatHeaders, type Reply, type StreamBody } from './reply.ts'
import { uploadHeaders } from './upload-routes.ts'

/** The only code that writes to a response. Resolves with the bytes of body sent, once they are handed to the kernel. */
export async function writeReply(
  response: ServerResponse,
  request: RegistryRequest,
  reply: Reply,
): Promise<number> {
  const { status, headers, body } = reply
  headers.push('Docker-Distribution-API-Version', 'registry/2.0')
  headers.push('X-Content-Type-Options', 'nosniff', 'X-Request-Id', request.id)
  const stream = body !== undefined && isStreamBody(body) ? body : undefined
  const bytes = stream === undefined ? (body as Uint8Array | undefined) : undefined
  if (status !== 204 && status !== 304) {
    headers.push('Content-Length', String(stream?.length ?? bytes?.byteLength ?? reply.length ?? 0))
  }
  response.writeHead(status, headers)
  if (request.method === 'HEAD' || status === 304 || (stream === undefined && bytes === undefined)) {
    stream?.close()
    response.end()
    return 0
  }
  if (stream !== undefined) return sendStream(response, stream)
  response.end(bytes)
  return bytes?.byteLength ?? 0
}

/** The specification's JSON for what the client caused. */
export function errorReply(error: OciError): Reply {
  const headers: FlatHeaders = ['Content-Type', 'application/json']
  for (const [name, value] of Object.entries(error.headers)) headers.push(name, value)
  if (error instanceof UploadRangeError) headers.push(...uploadHeaders(error.upload, '0--1'))
  if (error.status === 503) headers.push('Retry-After', '1')
  return { status: error.status, headers, body: errorBody(error.entries) }
}

export function errorBody(entries: readonly OciErrorEntry[]): Buffer {
  return Buffer.from(JSON.stringify({ errors: entries }))
}

/** A chunk is valid only until the next one is asked for, so each is waited for until the kernel has it. */
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
    response.once('close', () => this.#reject?.(new ConnectionLost()))
  }

  write(chunk: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#response.destroyed || this.#response.closed) return reject(new ConnectionLost())
      this.#resolve = resolve
      this.#reject = reject
      this.#response.write(chunk, this.#written)
    })
  }

  readonly #written = (error: Error | null | undefined): void => {
    if (error) this.#reject?.(new ConnectionLost())
    else this.#resolve?.()
  }
}
