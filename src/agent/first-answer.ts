import type { Socket } from 'node:net'

/** A TLS client says no more than its hello before it is answered. */
const mostKept = 64 * 1024

/**
 * Carries what the client says to an upstream until that has answered with its first bytes. False: it has broken off
 * without any, as one does that was taken by a listener about to close; what the client said is in `said`, and may be said
 * to another. True: both are paused, to be joined from here. `said` is sent first, and added to.
 */
export async function firstAnswer(
  client: Socket,
  upstream: Socket,
  said: Buffer[],
  signal: AbortSignal,
): Promise<boolean> {
  if (signal.aborted || upstream.destroyed) return signal.aborted
  const { promise, resolve } = Promise.withResolvers<boolean>()
  let kept = 0
  const say = (piece: Buffer): void => {
    kept += piece.length
    upstream.write(piece)
    if (kept > mostKept) settle(true)
  }
  const onSaid = (piece: Buffer): void => {
    said.push(piece)
    say(piece)
  }
  const onAnswer = (piece: Buffer): void => {
    upstream.pause()
    upstream.unshift(piece)
    settle(true)
  }
  const over = (): void => settle(true)
  const brokenOff = (): void => settle(false)
  function settle(isAnswered: boolean): void {
    client.pause()
    client.off('data', onSaid).off('end', over).off('close', over)
    upstream.off('data', onAnswer).off('end', brokenOff).off('close', brokenOff)
    signal.removeEventListener('abort', over)
    resolve(isAnswered)
  }
  upstream.on('data', onAnswer).on('end', brokenOff).on('close', brokenOff)
  client.on('data', onSaid).on('end', over).on('close', over)
  signal.addEventListener('abort', over)
  for (const piece of said) say(piece)
  if (kept <= mostKept) {
    upstream.resume()
    client.resume()
  }
  return promise
}
