import type { Duplex } from 'node:stream'
import { ociErrorBody } from './oci-error-body.ts'

const refusals: Readonly<Record<string, readonly [status: string, detail: string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'the headers have more than 64 KiB'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['413 Payload Too Large', 'the chunk extensions are too long'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the headers did not come in time'],
}

/** Answers bytes that are not valid HTTP, if the client can still receive a reply. */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Duplex): void {
  // While a reply is being sent, an answer would land in the middle of it.
  const { _httpMessage: running } = socket as { _httpMessage?: { headersSent: boolean } }
  if (!socket.writable || error.code === 'ECONNRESET' || running?.headersSent === true) {
    socket.destroy()
    return
  }
  const [status, detail] = refusals[error.code ?? ''] ?? [
    '400 Bad Request',
    `the request is not valid HTTP/1.1: ${error.message}`,
  ]
  const body = ociErrorBody([{ code: 'REQUEST_INVALID', message: 'the request cannot be read', detail }])
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ${body.byteLength}\r\n\r\n${body.toString()}`,
  )
}
