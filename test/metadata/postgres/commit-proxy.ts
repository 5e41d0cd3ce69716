import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'

/** What happens to the next COMMIT: it passes, its answer is lost, or it is lost itself. */
export type Fate = 'pass' | 'lose answer' | 'lose commit'

/** Stands before a PostgreSQL, and cuts connections at COMMIT. */
export class CommitProxy {
  fate: Fate = 'pass'
  cuts = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(port: number): Promise<CommitProxy> {
    const server = createServer()
    const proxy = new CommitProxy(server)
    server.on('connection', (client) => proxy.#join(client, port))
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  stop(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #join(client: Socket, port: number): void {
    const server = connect(port, '127.0.0.1')
    let isCut = false
    const cut = (): void => {
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.on('error', cut).on('close', () => {
        this.#sockets.delete(socket)
        cut()
      })
    }
    client.on('data', (data: Buffer) => {
      const { fate } = this
      const at = data.indexOf('commit\0')
      if (at === -1 || fate === 'pass') {
        server.write(data)
        return
      }
      this.fate = 'pass'
      this.cuts += 1
      isCut = true
      // A simple query begins five bytes before its text: its kind and its length.
      if (fate === 'lose commit') server.write(data.subarray(0, at - 5), () => setTimeout(cut, 20))
      else server.write(data, () => setTimeout(cut, 20))
    })
    server.on('data', (data: Buffer) => {
      if (!isCut) client.write(data)
    })
  }
}
