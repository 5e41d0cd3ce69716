import { connect, type Socket } from 'node:net'
import type { Target } from './endpoint-pool.ts'

/** A paused connection. Undefined: there is none within `limit` milliseconds, or the signal fired. */
export async function dial(
  { host, port }: Target,
  limit: number,
  signal: AbortSignal,
): Promise<Socket | undefined> {
  const { promise, resolve } = Promise.withResolvers<Socket | undefined>()
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true })
  const giveUp = (): void => {
    socket.destroy()
    resolve(undefined)
  }
  const timer = setTimeout(giveUp, limit)
  signal.addEventListener('abort', giveUp, { once: true })
  socket.once('connect', () => resolve(socket))
  socket.once('error', giveUp)
  const reached = await promise
  clearTimeout(timer)
  signal.removeEventListener('abort', giveUp)
  socket.off('error', giveUp)
  // Swallows errors that occur before the connection is used, or after it was given up.
  socket.on('error', () => {})
  return reached
}
