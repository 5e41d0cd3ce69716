import { connect, type Socket } from 'node:net'

/** A TCP connection that sends exactly what a test asks for. */
export class RawSocket {
  readonly #socket: Socket
  #received = Buffer.alloc(0)
  #closed = false
  #wake: (() => void) | undefined

  /** `reads` false: it does not read what arrives. */
  constructor(port: number, { reads = true }: { readonly reads?: boolean } = {}) {
    this.#socket = connect(port, '127.0.0.1')
    this.#socket.setNoDelay(true)
    if (!reads) this.#socket.pause()
    else
      this.#socket.on('data', (chunk: Buffer) => {
        this.#received = Buffer.concat([this.#received, chunk])
        this.#wake?.()
      })
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      this.#closed = true
      this.#wake?.()
    })
  }

  send(text: string | Uint8Array): void {
    this.#socket.write(text)
  }

  /** Resolves when the kernel has taken all that was sent, or the connection is gone. */
  async flushed(): Promise<void> {
    while (this.#socket.writableLength > 0 && !this.#closed)
      await Promise.race([new Promise((resolve) => this.#socket.once('drain', resolve)), this.#gone()])
  }

  /** Writes so many bytes; resolves when the kernel has taken them or the connection is gone. */
  async flood(bytes: number): Promise<number> {
    const chunk = Buffer.alloc(64 * 1024)
    let sent = 0
    while (sent < bytes && !this.#closed && !this.#socket.destroyed) {
      const room = this.#socket.write(chunk)
      sent += chunk.length
      if (!room)
        await Promise.race([new Promise((resolve) => this.#socket.once('drain', resolve)), this.#gone()])
    }
    return sent
  }

  /** The next whole reply; with Content-Length or without a body. Undefined: the connection ended instead. */
  async reply(): Promise<{ status: number; head: string; body: string } | undefined> {
    for (;;) {
      const end = this.#received.indexOf('\r\n\r\n')
      if (end >= 0) {
        const head = this.#received.subarray(0, end).toString()
        const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0)
        const total = end + 4 + (head.startsWith('HTTP/1.1 100') ? 0 : length)
        if (this.#received.length >= total || this.#closed) {
          const body = this.#received.subarray(end + 4, total).toString()
          this.#received = this.#received.subarray(total)
          return { status: Number(head.split(' ')[1]), head, body }
        }
      }
      if (this.#closed) return undefined
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  get closed(): boolean {
    return this.#closed
  }

  async ended(): Promise<void> {
    while (!this.#closed) await this.#gone()
  }

  close(): void {
    this.#socket.destroy()
  }

  #gone(): Promise<void> {
    return this.#closed
      ? Promise.resolve()
      : new Promise((resolve) => this.#socket.once('close', () => resolve()))
  }
}
