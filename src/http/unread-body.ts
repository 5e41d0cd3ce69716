import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Reply } from './reply.ts'

/** Bytes: enough for a manifest of twice the allowed size, whose client should receive the reply. */
const drainBytes = 8 * 1024 * 1024
const drainTime = 1000

/**
 * For a reply that is sent before the body was read. A small rest is read and discarded, and the connection
 * is kept. With a larger rest the connection is closed after the reply, since Node would otherwise read the
 * whole body. Closing it at once would lose the reply.
 */
export function settleBody(message: IncomingMessage, response: ServerResponse, reply: Reply): void {
  if (message.complete || message.readableEnded) return
  const length = Number(message.headers['content-length'] ?? 0)
  const unknown = message.headers['transfer-encoding'] !== undefined
  if (!unknown && length === 0) return
  // After 408 the server does not wait for the rest of the body (RFC 9110, 15.5.9).
  if (unknown || length > drainBytes || message.headers.expect !== undefined || reply.status === 408) {
    reply.headers.push('Connection', 'close')
    response.once('finish', () => endAfterDrain(message))
  }
  message.resume()
}

function endAfterDrain(message: IncomingMessage): void {
  const { socket } = message
  let drained = 0
  const end = (): void => {
    clearTimeout(timer)
    socket.destroy()
  }
  const timer = setTimeout(end, drainTime)
  message.on('data', (chunk: Uint8Array) => {
    drained += chunk.byteLength
    if (drained > drainBytes) end()
  })
  message.on('end', end)
  socket.once('close', () => clearTimeout(timer))
}
