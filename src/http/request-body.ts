import type { IncomingMessage } from 'node:http'
import type { ByteSource } from '../blobs/blob-store.ts'
import { freeMemory } from '../free-memory.ts'

/** Bytes of a body that may wait unread before its socket is paused: fewer while many bodies are open. */
const highWater = { few: 256 * 1024, many: 64 * 1024 }
const few = 16
let open = 0
/**
 * Bytes after which a body yields to the event loop: otherwise one fast client is read for milliseconds while
 * others wait.
 */
const turnBytes = 128 * 1024

/**
 * The body of a request as a source with back-pressure: the socket is paused while much of the body waits
 * unread. Costs less per chunk than the stream's own iterator. Throws ClientGone if the body ends early. A
 * chunk is valid only until the next one is requested.
 */
export class RequestBody implements ByteSource, AsyncIterator<Uint8Array> {
  readonly #message: IncomingMessage
  readonly #chunks: Uint8Array[] = []
  readonly #highWater: number
  #bytes = 0
  /** Bytes received in this turn of the event loop; at `turnBytes` the body waits for the next turn. */
  #turn = 0
  #given: Uint8Array | undefined
  #ended = false
  #abandoned = false
  #returned = false
  #error: Error | undefined
  #wake: (() => void) | undefined

  constructor(message: IncomingMessage) {
    this.#message = message
    this.#highWater = open >= few ? highWater.many : highWater.few
    if (!message.destroyed) {
      open++
      message.once('close', () => open--)
    }
    const wake = (): void => {
      this.#wake?.()
      this.#wake = undefined
    }
    message.on('data', (chunk: Uint8Array) => {
      if (this.#abandoned) return
      this.#chunks.push(chunk)
      this.#bytes += chunk.byteLength
      if (this.#turn < turnBytes && this.#turn + chunk.byteLength >= turnBytes)
        setImmediate(() => this.#nextTurn())
      this.#turn += chunk.byteLength
      if (this.#mustWait) message.pause()
      wake()
    })
    message.on('end', () => {
      this.#ended = true
      wake()
    })
    const fail = (): void => {
      if (this.#ended) return
      this.#error ??= new ClientGone()
      wake()
    }
    message.on('error', fail)
    message.on('close', fail)
    if (message.destroyed && !message.readableEnded) fail()
  }

  /** True while the reader waits for the client to send. */
  get starved(): boolean {
    return this.#wake !== undefined
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#given !== undefined) freeMemory(this.#given)
    this.#given = undefined
    for (;;) {
      const chunk = this.#chunks.shift()
      if (chunk !== undefined) {
        this.#given = chunk
        this.#bytes -= chunk.byteLength
        this.#goOn()
        return { done: false, value: chunk }
      }
      if (this.#error !== undefined) throw this.#error
      if (this.#ended) return { done: true, value: undefined }
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  /** Discards what is buffered and what still arrives. */
  abandon(): void {
    this.#abandoned = true
    this.#chunks.length = 0
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.abandon()
    this.#returned = true
    this.#message.pause()
    return Promise.resolve({ done: true, value: undefined })
  }

  get #mustWait(): boolean {
    return this.#turn >= turnBytes || this.#bytes >= this.#highWater
  }

  #nextTurn(): void {
    this.#turn = 0
    this.#goOn()
  }

  #goOn(): void {
    if (!this.#mustWait && !this.#returned && this.#message.isPaused()) this.#message.resume()
  }
}

/** The connection ended before the body did; no client is left to receive a reply. */
export class ClientGone extends Error {
  constructor() {
    super('the client went away before it was answered')
    this.name = 'ClientGone'
  }
}
