import type { Socket } from 'node:net'

/** A TLS client says no more than its hello before it is answered. */
const mostKept = 64 * 1024

/** `over`: one has answered, or the client is gone. `silent`: this one has not answered in time, and still may. */
export type Attempt = 'over' | 'silent' | 'broken-off'

/**
 * What a client says before its first answer: its TLS hello. It is said to one upstream after the other until one of them
 * answers. The silent ones stay connected meanwhile, so that a slow registry is not given up for one that is no faster.
 */
export class ClientHello {
  /** Aborted when nobody else is to be asked. */
  readonly over: AbortSignal
  readonly #client: Socket
  readonly #said: Buffer[] = []
  readonly #asked = new Map<Socket, () => void>()
  readonly #answered = new AbortController()
  #kept = 0
  #ended = false
  #upstream: Socket | undefined
  #clock: NodeJS.Timeout | undefined
  #onDeserted: (() => void) | undefined

  /** `signal`: the client is gone, or is to go. */
  constructor(client: Socket, signal: AbortSignal) {
    this.#client = client
    this.over = AbortSignal.any([signal, this.#answered.signal])
    client.on('data', this.#onSaid).on('end', this.#onEnd)
    client.pause()
  }

  /** Who has answered; paused, as the client is, to be joined from here. */
  get upstream(): Socket | undefined {
    return this.#upstream
  }

  /**
   * Says to a connected, paused upstream all that the client says. Resolves as soon as any has answered, and else when this
   * one breaks off, as one does that was taken by a listener about to close, or has said nothing for `limit` milliseconds
   * after the client's last word. A client that has said nothing yet waits for no answer.
   */
  async ask(upstream: Socket, limit: number): Promise<Attempt> {
    const { promise, resolve } = Promise.withResolvers<Attempt>()
    const onOver = (): void => resolve('over')
    const onAnswer = (piece: Buffer): void => {
      upstream.pause()
      upstream.unshift(piece)
      this.#settle(upstream)
    }
    const onGone = (): void => {
      resolve('broken-off')
      this.#drop(upstream)
    }
    this.#asked.set(upstream, () => upstream.off('data', onAnswer).off('end', onGone).off('close', onGone))
    if (this.over.aborted) return 'over'
    if (upstream.destroyed) {
      this.#drop(upstream)
      return 'broken-off'
    }
    this.over.addEventListener('abort', onOver, { once: true })
    upstream.on('data', onAnswer).on('end', onGone).on('close', onGone)
    for (const piece of this.#said) upstream.write(piece)
    if (this.#kept > mostKept || this.#ended) this.#settle(upstream)
    else {
      upstream.resume()
      this.#client.resume()
    }
    const clock = setTimeout(() => (this.#kept > 0 ? resolve('silent') : clock.refresh()), limit)
    this.#clock = clock
    const attempt = await promise
    clearTimeout(clock)
    this.over.removeEventListener('abort', onOver)
    return attempt
  }

  /** Until one of the silent has answered after all, or none is left that could. */
  async rest(): Promise<void> {
    if (this.over.aborted || this.#asked.size === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.over.addEventListener('abort', () => resolve(), { once: true })
    this.#onDeserted = resolve
    await promise
  }

  /** Lets go of everybody but the client and the one that has answered. */
  release(): void {
    this.#client.pause()
    this.#client.off('data', this.#onSaid).off('end', this.#onEnd)
    for (const upstream of this.#asked.keys()) this.#drop(upstream)
  }

  readonly #onSaid = (piece: Buffer): void => {
    this.#said.push(piece)
    this.#kept += piece.length
    for (const upstream of this.#asked.keys()) upstream.write(piece)
    this.#clock?.refresh()
    if (this.#kept > mostKept) this.#settleUnanswered()
  }

  readonly #onEnd = (): void => {
    this.#ended = true
    this.#settleUnanswered()
  }

  /** No hello of TLS: whoever was asked last is taken, for what comes is not kept. */
  #settleUnanswered(): void {
    const last = [...this.#asked.keys()].at(-1)
    if (last === undefined) this.#client.pause()
    else this.#settle(last)
  }

  #settle(upstream: Socket): void {
    this.#asked.get(upstream)?.()
    this.#asked.delete(upstream)
    upstream.pause()
    this.#upstream = upstream
    this.release()
    this.#answered.abort()
  }

  #drop(upstream: Socket): void {
    this.#asked.get(upstream)?.()
    this.#asked.delete(upstream)
    upstream.resetAndDestroy()
    if (this.#asked.size === 0) this.#onDeserted?.()
  }
}
