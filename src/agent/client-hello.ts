import type { Socket } from 'node:net'

/** Bytes: a TLS client sends no more than its hello before it gets an answer. */
const mostKept = 64 * 1024

/**
 * `over`: an upstream has answered, or the client is gone. `silent`: this upstream has not answered in time,
 * but still may.
 */
export type HelloOutcome = 'over' | 'silent' | 'broken-off'

/**
 * The bytes that a client sends before its first answer: its TLS hello. They are sent to one upstream after
 * the other until one answers. Silent upstreams stay connected meanwhile, so that a slow registry is not
 * given up for one that is no faster.
 */
export class ClientHello {
  /** Aborted when no further upstream is to be asked. */
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

  /** `signal`: the client is gone, or must be disconnected. */
  constructor(client: Socket, signal: AbortSignal) {
    this.#client = client
    this.over = AbortSignal.any([signal, this.#answered.signal])
    client.on('data', this.#onSaid).on('end', this.#onEnd)
    client.pause()
  }

  /** The upstream that has answered. Like the client it is paused, to be joined from here. */
  get upstream(): Socket | undefined {
    return this.#upstream
  }

  /**
   * Sends all that the client sends to a connected, paused upstream. Resolves as soon as any upstream has
   * answered; otherwise when this one breaks off, as a connection does that a closing listener had accepted,
   * or has sent nothing for `limit` milliseconds after the client's last byte. While the client has sent
   * nothing, no answer is expected.
   */
  async ask(upstream: Socket, limit: number): Promise<HelloOutcome> {
    const { promise, resolve } = Promise.withResolvers<HelloOutcome>()
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

  /** Resolves when a silent upstream has answered after all, or none is left that could. */
  async rest(): Promise<void> {
    if (this.over.aborted || this.#asked.size === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.over.addEventListener('abort', () => resolve(), { once: true })
    this.#onDeserted = resolve
    await promise
  }

  /** Disconnects every upstream except the one that has answered. */
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

  /** Not a TLS hello: further bytes are not kept, so the upstream that was asked last is taken. */
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
