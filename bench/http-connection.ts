import net from 'node:net'
import tls from 'node:tls'

export interface Target {
  readonly host: string
  readonly port: number
  readonly tls: boolean
  /** Who the requests are from; undefined: nobody in particular. */
  readonly caller?: Caller | undefined
}

export interface Caller {
  /** An Authorization header. */
  readonly authorization?: string
  /** PEM. */
  readonly certificate?: { readonly cert: string; readonly key: string }
}

export interface Answer {
  readonly status: number
  /** Status line and headers as they came. */
  readonly head: string
  readonly body: Buffer
}

interface Waiting {
  readonly bodiless: boolean
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

const end = Buffer.from('\r\n\r\n')

/** One kept-alive connection over a raw socket; one request at a time, never pipelined. */
export class HttpConnection {
  readonly #socket: net.Socket
  readonly #host: string
  readonly #authorization: string
  #waiting: Waiting | undefined
  #chunks: Buffer[] = []
  #size = 0
  #needed = 0

  private constructor(socket: net.Socket, target: Target) {
    this.#socket = socket
    this.#host = `${target.host}:${target.port}`
    this.#authorization = authorizationOf(target)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the server closed the connection')))
  }

  static async open(target: Target): Promise<HttpConnection> {
    return new HttpConnection(await openSocket(target), target)
  }

  /** `body` goes out as it is, its parts one after another; replies must carry Content-Length. */
  request(
    method: string,
    path: string,
    { headers = '', body = [] }: { readonly headers?: string; readonly body?: readonly Buffer[] } = {},
  ): Promise<Answer> {
    if (this.#waiting !== undefined) throw new Error('a request is under way on this connection')
    const length = body.reduce((sum, part) => sum + part.length, 0)
    const withLength = method === 'GET' || method === 'HEAD' ? '' : `Content-Length: ${length}\r\n`
    const head = `${method} ${path} HTTP/1.1\r\nHost: ${this.#host}\r\n${this.#authorization}${withLength}${headers}\r\n`
    return new Promise((resolve, reject) => {
      this.#waiting = { bodiless: method === 'HEAD', resolve, reject }
      if (this.#socket.destroyed) return this.#fail(new Error('the connection is closed'))
      this.#socket.cork()
      this.#socket.write(head, 'latin1')
      for (const part of body) this.#socket.write(part)
      this.#socket.uncork()
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #receive(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#size < this.#needed) return
    const all = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    this.#chunks = [all]
    const waiting = this.#waiting
    const headEnd = all.indexOf(end)
    if (headEnd === -1 || waiting === undefined) return
    const head = all.toString('latin1', 0, headEnd)
    const start = headEnd + end.length
    const status = Number(head.slice(9, 12))
    if (status === 100) return this.#restart(all.subarray(start))
    const length = waiting.bodiless || status === 204 ? 0 : Number(headerOf(head, 'content-length') ?? 0)
    this.#needed = start + length
    if (this.#size < this.#needed) return
    this.#waiting = undefined
    this.#chunks = []
    this.#size = 0
    this.#needed = 0
    waiting.resolve({ status, head, body: all.subarray(start, start + length) })
  }

  #restart(rest: Buffer): void {
    this.#chunks = []
    this.#size = 0
    this.#needed = 0
    if (rest.length > 0) this.#receive(rest)
  }

  #fail(error: Error): void {
    this.#waiting?.reject(error)
    this.#waiting = undefined
  }
}

export function headerOf(head: string, name: string): string | undefined {
  const lower = head.toLowerCase()
  const start = lower.indexOf(`\r\n${name}:`)
  if (start === -1) return undefined
  const stop = head.indexOf('\r\n', start + 2)
  return head.slice(start + name.length + 3, stop === -1 ? undefined : stop).trim()
}

/** A header line, or nothing. */
export function authorizationOf({ caller }: Target): string {
  return caller?.authorization === undefined ? '' : `Authorization: ${caller.authorization}\r\n`
}

/** Takes what a socket reads, which is valid only until it returns. */
export type Receive = (chunk: Buffer) => void

const readBuffer = Buffer.allocUnsafeSlow(64 * 1024)

/**
 * Certificates are not checked: the bench makes them, and only talks to this machine. With `receive` all sockets read into one
 * buffer: Node would make one of 64 KiB for each reply.
 */
export function openSocket(
  { host, port, tls: secure, caller }: Target,
  receive?: Receive,
): Promise<net.Socket> {
  const onread: net.OnReadOpts | undefined = receive && {
    buffer: readBuffer,
    callback(size, buffer) {
      receive((buffer as Buffer).subarray(0, size))
      return true
    },
  }
  return new Promise((resolve, reject) => {
    const socket = secure
      ? tls.connect({
          host,
          port,
          rejectUnauthorized: false,
          ALPNProtocols: ['http/1.1'],
          ...caller?.certificate,
        })
      : net.connect({ host, port, noDelay: true, ...(onread === undefined ? {} : { onread }) })
    if (secure && receive !== undefined) socket.on('data', receive)
    socket.once('error', reject)
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      socket.off('error', reject)
      socket.setNoDelay(true)
      resolve(socket)
    })
  })
}
