import { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'

/**
 * Bytes that may wait in the WebSocket before the writer has to. The kernel's buffers come on top; more here only lives long
 * enough to be collected late.
 */
const mostBuffered = 1024 * 1024
/** Milliseconds between two signs of life that are asked for; without any between two of them the connection is dead. */
const heartbeat = 30_000

const dataChannel = 0
const errorChannel = 1

/**
 * One TCP connection to a port of a pod, over a WebSocket of its own (`v4.channel.k8s.io`: each message begins with its
 * channel, 0 for data and 1 for errors; the first one of each holds the port). Back-pressure both ways: writers wait
 * while 1 MiB is on its way, and the WebSocket is paused while the reader is slow. The protocol has no half-close:
 * the end of the writing side ends the connection.
 */
export class ForwardStream extends Duplex {
  readonly #socket: WebSocket
  readonly #begun = new Set<number>()
  #waiting: (() => void) | undefined
  #fault = ''
  #alive = true
  #lastBuffered = 0
  readonly #beat: NodeJS.Timeout

  constructor(socket: WebSocket) {
    super({ readableHighWaterMark: 256 * 1024, writableHighWaterMark: 256 * 1024, allowHalfOpen: false })
    this.#socket = socket
    socket.on('message', (data: Buffer) => this.#take(data))
    socket.on('pong', () => (this.#alive = true))
    socket.on('error', (error) => this.destroy(error))
    socket.on('close', (code, reason) => this.#closed(code, reason.toString()))
    this.#beat = setInterval(() => this.#checkLife(), heartbeat)
    this.#beat.unref()
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    const message = Buffer.allocUnsafe(chunk.length + 1)
    message[0] = dataChannel
    chunk.copy(message, 1)
    this.#socket.send(message, (error) => {
      if (error) return this.destroy(error)
      if (this.#waiting !== undefined && this.#socket.bufferedAmount < mostBuffered / 2) {
        const waiting = this.#waiting
        this.#waiting = undefined
        waiting()
      }
    })
    if (this.#socket.bufferedAmount < mostBuffered) done()
    else this.#waiting = done
  }

  override _read(): void {
    if (this.#socket.isPaused) this.#socket.resume()
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.close()
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearInterval(this.#beat)
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.()
    // A socket that is already closing is given no more time: nobody listens to it.
    this.#socket.terminate()
    done(error)
  }

  #take(data: Buffer): void {
    this.#alive = true
    const channel = data[0] ?? 255
    const skipped = this.#begun.has(channel) ? 1 : 3
    this.#begun.add(channel)
    const content = data.subarray(skipped)
    if (content.length === 0) return
    if (channel === errorChannel) this.#fault = (this.#fault + content.toString()).slice(0, 1000)
    else if (channel === dataChannel && !this.push(content)) this.#socket.pause()
  }

  #closed(code: number, reason: string): void {
    if (this.#fault !== '') return void this.destroy(new ForwardFault(this.#fault.trim()))
    // 1005: a close without a status, which is how a kubelet says that the pod has closed the connection.
    if (code === 1000 || code === 1005) return void this.push(null)
    this.destroy(new ForwardFault(`it was cut (${code}${reason === '' ? '' : `: ${reason}`})`))
  }

  #checkLife(): void {
    const { bufferedAmount } = this.#socket
    // What is read slowly, or still being written, is alive without any answer.
    const moving = this.#socket.isPaused || (bufferedAmount > 0 && bufferedAmount !== this.#lastBuffered)
    this.#lastBuffered = bufferedAmount
    if (!this.#alive && !moving) return void this.destroy(new ForwardFault('the API server does not answer'))
    this.#alive = false
    this.#socket.ping(undefined, undefined, () => undefined)
  }
}

/** A connection through the API server that ended other than by the pod's closing it. */
class ForwardFault extends Error {
  readonly code = 'ECONNRESET'

  constructor(reason: string) {
    super(`the connection through the API server ended: ${reason}`)
    this.name = 'ForwardFault'
  }
}
