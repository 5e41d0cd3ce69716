import net from 'node:net'
import tls from 'node:tls'
import { ConnectionBody, type AnswerBody } from './answer-body.ts'
import { lengthOf, parseHead } from './answer-head.ts'
import type { ResponseHeaders } from './s3-fault.ts'

/** Bytes that are read at once. A connection has two such buffers: one is sent on while the other is read into. */
const bufferSize = 128 * 1024
/** Bytes of the head of an answer. */
const largestHead = 64 * 1024
/** Milliseconds. Servers keep an unused connection for 5 s or longer. */
const connectLimit = 5000
const silenceLimit = 30_000
const idleLimit = 4000
const lookInterval = 1000
const headEnd = Buffer.from('\r\n\r\n')

export interface ObjectAnswer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: ResponseHeaders
  readonly body: AnswerBody
}

/** What a connection waits for. Undefined: it has nothing to do, or its consumer is busy. */
interface Waiting {
  /** Undefined: the connection is closed. */
  readonly resolve: (chunk: Uint8Array | undefined) => void
  readonly reject: (error: Error) => void
}

/**
 * One connection to an HTTP/1.1 server, for GETs of large answers, one at a time. The kernel reads into buffers that are
 * handed on as they are: a general client copies each byte twice more and takes three times the CPU.
 */
export class ObjectConnection {
  /** False once it cannot take another request. */
  isOpen = true
  /** Whether it has taken a request. */
  isUsed = false
  /** Whether a byte of the answer to the last request has arrived. */
  hasAnswered = false
  readonly #socket: net.Socket
  readonly #buffers = [Buffer.allocUnsafeSlow(bufferSize), Buffer.allocUnsafeSlow(bufferSize)] as const
  /** Which of the buffers is read into next. */
  #target: 0 | 1 = 0
  #isConnected = false
  #isBusy = false
  #waiting: Waiting | undefined
  /** Chunk of a buffer that is not read into: not taken yet, or in the hands of the consumer. */
  #given: Uint8Array | undefined
  #isTaken = false
  /** What arrived in spite of the pause, copied: TLS hands on all that it has decrypted. */
  #surplus: Uint8Array[] = []
  #fault: Error | undefined
  #since = performance.now()

  constructor(origin: URL, closed: () => void) {
    const secure = origin.protocol === 'https:'
    const host = origin.hostname.replace(/^\[(.*)\]$/, '$1')
    const port = Number(origin.port) || (secure ? 443 : 80)
    const onread: net.OnReadOpts = {
      buffer: () => this.#buffers[this.#target],
      callback: (size, buffer) => this.#receive(buffer as Buffer, size),
    }
    const servername = net.isIP(host) === 0 ? host : ''
    const options = { host, port, onread, servername, ALPNProtocols: ['http/1.1'] }
    const socket = secure ? tls.connect(options) : net.connect(options)
    this.#socket = socket
    socket.setNoDelay(true)
    const look = setInterval(() => this.#look(), lookInterval).unref()
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      this.#isConnected = true
      this.#since = performance.now()
    })
    socket.on('error', (error) => (this.#fault ??= error))
    socket.once('close', () => {
      clearInterval(look)
      this.isOpen = false
      const waiting = this.#waiting
      this.#waiting = undefined
      if (this.#fault === undefined) waiting?.resolve(undefined)
      else waiting?.reject(this.#fault)
      closed()
    })
  }

  /** Sends a request without a body. Resolves with the head of the answer; `over` is called when its body has ended. */
  async get(
    path: string,
    headers: Readonly<Record<string, string>>,
    over: () => void,
  ): Promise<ObjectAnswer> {
    this.#isBusy = true
    this.isUsed = true
    this.hasAnswered = false
    this.#socket.ref()
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    this.#socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1')
    const { head, rest } = await this.#head()
    const answer = parseHead(head)
    const length = lengthOf(answer.headers)
    // Bytes whose end is not known are no content. Error documents of AWS are chunked.
    if (length === undefined && answer.status < 300) throw new Error('the answer does not say how long it is')
    const isKept = answer.keepsAlive && length !== undefined
    const body = new ConnectionBody(length, rest, {
      next: () => this.#next(),
      end: (isWhole) => {
        this.#isBusy = false
        if (isWhole && isKept) this.#rest()
        else this.destroy()
        over()
      },
    })
    return { status: answer.status, headers: answer.headers, body }
  }

  destroy(): void {
    this.isOpen = false
    this.#socket.destroy(this.#waiting === undefined ? undefined : new Error('the request was given up'))
  }

  /** `rest`: what follows the head in memory, valid as a chunk is. */
  async #head(): Promise<{ readonly head: string; readonly rest: Uint8Array }> {
    let bytes: Uint8Array = Buffer.alloc(0)
    for (;;) {
      const read = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
      const end = read.indexOf(headEnd)
      if (end >= 0) {
        const head = read.toString('latin1', 0, end)
        bytes = read.subarray(end + headEnd.length)
        // What is told before the answer, such as 103.
        if (/^HTTP\/1\.[01] 1\d\d/.test(head)) continue
        return { head, rest: bytes }
      }
      if (bytes.length > largestHead) throw new Error('the head of the answer is too long')
      // Copied, because the memory of a chunk is read into again.
      const before = Buffer.from(bytes)
      const chunk = await this.#next()
      if (chunk === undefined) throw new Error('the connection was closed')
      this.hasAnswered = true
      bytes = before.length === 0 ? chunk : Buffer.concat([before, chunk])
    }
  }

  /** The next bytes; undefined: the server has closed the connection. */
  async #next(): Promise<Uint8Array | undefined> {
    if (this.#given !== undefined && !this.#isTaken) {
      this.#isTaken = true
      return this.#given
    }
    this.#given = undefined
    if (this.#surplus.length > 0) return Buffer.concat(this.#surplus.splice(0))
    if (this.#fault !== undefined) throw this.#fault
    if (this.#socket.destroyed) return undefined
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#since = performance.now()
      this.#socket.resume()
    })
  }

  /** Takes what was read into the target buffer. False: no more for now. */
  #receive(buffer: Buffer, size: number): boolean {
    const bytes = buffer.subarray(0, size)
    const waiting = this.#waiting
    this.#waiting = undefined
    if (!this.#isBusy) {
      // An answer to nothing.
      this.destroy()
      return false
    }
    if (this.#given !== undefined) {
      this.#surplus.push(Buffer.from(bytes))
      return false
    }
    this.#target = this.#target === 0 ? 1 : 0
    this.#given = bytes
    this.#isTaken = waiting !== undefined
    waiting?.resolve(bytes)
    return false
  }

  /** Waits for the next request, and reads, to learn that the server closes the connection. */
  #rest(): void {
    if (this.#surplus.length > 0 || (this.#given !== undefined && !this.#isTaken)) return this.destroy()
    this.#given = undefined
    this.#since = performance.now()
    // It does not keep a process from its end.
    this.#socket.unref()
    this.#socket.resume()
  }

  #look(): void {
    const silence = performance.now() - this.#since
    if (!this.#isConnected) {
      if (silence > connectLimit) this.#socket.destroy(new Error('no connection within 5 s'))
    } else if (this.#isBusy) {
      if (this.#waiting !== undefined && silence > silenceLimit)
        this.#socket.destroy(new Error('no bytes for 30 s'))
    } else if (silence > idleLimit) this.destroy()
  }
}
