import type net from 'node:net'
import { manifestType } from './content.ts'
import { authorizationOf, headerOf, openSocket, type Target } from './http-connection.ts'

const end = Buffer.from('\r\n\r\n')

/**
 * Requests without bodies as cheaply as Node can send them: one write, replies only measured. Replies must carry
 * Content-Length.
 */
export class RequestSocket {
  readonly #socket: net.Socket
  readonly #start: string
  readonly #rest: string
  readonly #bodiless: boolean
  #done: ((status: number, size: number) => void) | undefined
  #head: Buffer | undefined
  #status = 0
  #size = 0
  #left = -1

  private constructor(socket: net.Socket, target: Target, method: 'GET' | 'HEAD') {
    this.#socket = socket
    this.#start = `${method} `
    this.#rest = ` HTTP/1.1\r\nHost: ${target.host}:${target.port}\r\n${authorizationOf(target)}Accept: ${manifestType}, */*\r\n\r\n`
    this.#bodiless = method === 'HEAD'
    socket.on('error', () => socket.destroy())
  }

  static async open(target: Target, method: 'GET' | 'HEAD'): Promise<RequestSocket> {
    const socket = await openSocket(target, (chunk) => requests.#receive(chunk))
    const requests = new RequestSocket(socket, target, method)
    return requests
  }

  onClose(listener: () => void): void {
    this.#socket.on('close', listener)
  }

  /** `done` gets the status and the size of the reply in bytes. */
  send(path: string, done: (status: number, size: number) => void): void {
    this.#done = done
    this.#socket.write(this.#start + path + this.#rest, 'latin1')
  }

  #receive(chunk: Buffer): void {
    let taken = chunk.length
    if (this.#left === -1) {
      const all: Buffer = this.#head === undefined ? chunk : Buffer.concat([this.#head, chunk])
      const headEnd = all.indexOf(end)
      if (headEnd === -1) {
        this.#head = Buffer.from(all)
        return
      }
      this.#head = undefined
      const start = headEnd + end.length
      this.#status = (all[9]! - 48) * 100 + (all[10]! - 48) * 10 + (all[11]! - 48)
      const length = this.#bodiless
        ? 0
        : Number(headerOf(all.toString('latin1', 0, headEnd), 'content-length') ?? 0)
      this.#left = length
      this.#size = start + length
      taken = all.length - start
    }
    this.#left -= taken
    if (this.#left > 0) return
    this.#left = -1
    this.#done?.(this.#status, this.#size)
  }
}
