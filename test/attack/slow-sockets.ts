import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A connection that sends given bytes, from a chosen loopback address. */
export class SlowSocket {
  readonly #socket: Socket
  #received = ''

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk) => (this.#received += chunk.toString('latin1')))
    socket.on('error', () => {})
  }

  static async open(url: string, localAddress = '127.0.0.1'): Promise<SlowSocket> {
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port), localAddress })
    const slow = new SlowSocket(socket)
    await once(socket, 'connect')
    return slow
  }

  /** Resolves when the kernel has accepted the bytes. */
  async send(bytes: string | Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.write(bytes, () => resolve()))
  }

  /** Of the replies so far. */
  get statuses(): number[] {
    return [...this.#received.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => Number(match[1]))
  }

  /** Resolves to the status of the first reply; undefined: none came in time. */
  async status(limit = 20_000): Promise<number | undefined> {
    const deadline = performance.now() + limit
    while (this.statuses.length === 0 && !this.#socket.closed && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20))
    return this.statuses[0]
  }

  close(): void {
    this.#socket.destroy()
  }
}

/** Returns the head of a request with a body of this length. */
export function head(
  method: string,
  path: string,
  length: number,
  headers: Readonly<Record<string, string>> = {},
): string {
  const lines = Object.entries({ Host: '127.0.0.1', 'Content-Length': String(length), ...headers })
  return `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}
