import { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'

/**
 * Bytes that the WebSocket may buffer before the writer must wait. The kernel has buffers of its own; more bytes here
 * would only live longer on the heap.
 */
const mostBuffered = 1024 * 1024
/** Milliseconds between two pings. Without any message between two pings the connection counts as dead. */
const heartbeat = 30_000

const dataChannel = 0
const errorChannel = 1

/**
 * One TCP connection to a port of a pod, over its own WebSocket (`v4.channel.k8s.io`: the first byte of each message is
 * its channel, 0 for data and 1 for errors; the first message of each channel holds the port). Back-pressure works both
 * ways: the writer waits while 1 MiB is buffered, and the WebSocket is paused while the reader is slow. The protocol
 * has no half-close, so the end of the writing side closes the connection.
 */
export class ForwardStream extends Duplex {
  readonly #socket: WebSocket
  readonly #begun = new Set<number>()
  #waiting: (() => void) | undefined
  #fault = ''
  #alive = true
  #lastBuffered = 0
  readonly #tick: NodeJS.Timeout

  constructor(socket: WebSocket) {
    super({ readableHighWaterMark: 256 * 1024, writableHighWaterMark: 256 * 1024, allowHalfOpen: false })
    this.#socket = socket
    socket.on('message', (data: Buffer) => this.#take(data))
    socket.on('pong', () => (this.#alive = true))
    socket.on('error', (error) => this.destroy(error))
    socket.on('close', (code, reason) => this.#closed(code, reason.toString()))
    this.#tick = setInterval(() => this.#checkLife(), heartbeat)
    this.#tick.unref()
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
    clearInterval(this.#tick)
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.()
    // A closing socket is terminated at once: nobody reads from it any more.
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
    // 1005 is a close without a status: the kubelet sends it when the pod has closed the connection.
    if (code === 1000 || code === 1005) return void this.push(null)
    this.destroy(new ForwardFault(`it was cut (${code}${reason === '' ? '' : `: ${reason}`})`))
  }

  #checkLife(): void {
    const { bufferedAmount } = this.#socket
    // A paused socket, or one whose buffer shrinks or grows, is alive even without a pong.
    const moving = this.#socket.isPaused || (bufferedAmount > 0 && bufferedAmount !== this.#lastBuffered)
    this.#lastBuffered = bufferedAmount
    if (!this.#alive && !moving) return void this.destroy(new ForwardFault('the API server does not answer'))
    this.#alive = false
    this.#socket.ping(undefined, undefined, () => undefined)
  }
}

/** A connection through the API server that ended for another reason than that the pod closed it. */
class ForwardFault extends Error {
  readonly code = 'ECONNRESET'

  constructor(reason: string) {
    super(`the connection through the API server ended: ${reason}`)
    this.name = 'ForwardFault'
  }
}
