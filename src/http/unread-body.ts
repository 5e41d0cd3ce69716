import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Reply } from './reply.ts'

/** Enough for a manifest that is twice too large: its client shall read the reply. */
const drainBytes = 8 * 1024 * 1024
const drainTime = 1000

/**
 * A reply that comes before the body was read. Little is read away, and the connection lives on; with more to come
 * it ends after the reply: Node would otherwise swallow the whole body. Closing at once would lose the reply.
 */
export function settleBody(message: IncomingMessage, response: ServerResponse, reply: Reply): void {
  if (message.complete || message.readableEnded) return
  const length = Number(message.headers['content-length'] ?? 0)
  const unknown = message.headers['transfer-encoding'] !== undefined
  if (!unknown && length === 0) return
  // RFC 9110, 15.5.9: of a body that came too slowly nobody waits for the rest.
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
