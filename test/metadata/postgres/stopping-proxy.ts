import assert from 'node:assert/strict'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

interface Watch {
  /** Statements that are still let pass. */
  left: number
  seen: number
  readonly stopped: PromiseWithResolvers<void>
}

/**
 * A way of one client to PostgreSQL that keeps back one of its statements, and all that follow it, until it is told to
 * go on. It counts what is sent to the server, of whichever kind and in however few packets, BEGIN and COMMIT with the
 * rest.
 */
export class StoppingProxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #watch: Watch | undefined
  #kept: (() => void)[] | undefined

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(target: { readonly host: string; readonly port: number }): Promise<StoppingProxy> {
    const server = createServer()
    const proxy = new StoppingProxy(server)
    server.on('connection', (near) => proxy.#join(near, connect(target.port, target.host)))
    await new Promise<void>((resolve) => server.listen(0, target.host, resolve))
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /**
   * Keeps back the statement of this number, counted from now and from 0. The promise resolves once the server has
   * answered all before it.
   */
  stopBefore(number: number): Promise<void> {
    this.#watch = { left: number, seen: 0, stopped: Promise.withResolvers<void>() }
    return this.#watch.stopped.promise
  }

  /** Lets everything pass from now on. Returns how many statements there were since `stopBefore`. */
  go(): number {
    const { seen } = this.#watch ?? { seen: 0 }
    const kept = this.#kept ?? []
    this.#watch = this.#kept = undefined
    for (const pass of kept) pass()
    return seen
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #join(near: Socket, far: Socket): void {
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one)
      one.setNoDelay(true)
      one.on('error', () => other.destroy()).on('close', () => other.destroy())
    }
    const asked = new Asked()
    const look = (): void => {
      if (this.#kept !== undefined && asked.isAnswered) this.#watch?.stopped.resolve()
    }
    const pass = (message: Buffer): void => {
      asked.sent(message)
      far.write(message)
    }
    const fromClient = new Messages(false)
    let isWithin = false
    near.on('data', (chunk: Buffer) => {
      for (const message of fromClient.add(chunk)) {
        const kind = kindOf(message)
        if (!isWithin && 'PBQ'.includes(kind)) this.#begins()
        isWithin = 'PBD'.includes(kind)
        if (this.#kept === undefined) pass(message)
        else this.#kept.push(() => pass(message))
      }
      look()
    })
    const fromServer = new Messages(true)
    far.on('data', (chunk: Buffer) => {
      for (const message of fromServer.add(chunk)) asked.answered(message)
      near.write(chunk)
      look()
    })
  }

  #begins(): void {
    const watch = this.#watch
    if (watch === undefined) return
    watch.seen += 1
    if (this.#kept === undefined && watch.left-- === 0) this.#kept = []
  }
}

/** What the server has yet to answer. */
class Asked {
  /** Answers that end with ReadyForQuery; the first is that to the start of the session. */
  #ready = 1
  /** Messages since the last one to which such an answer comes. */
  #loose = 0

  sent(message: Buffer): void {
    const kind = kindOf(message)
    if (kind === 'S' || kind === 'Q') [this.#ready, this.#loose] = [this.#ready + 1, 0]
    else if (kind === 'E') this.#loose += 1
  }

  answered(message: Buffer): void {
    if (kindOf(message) === 'Z') this.#ready -= 1
  }

  get isAnswered(): boolean {
    assert.equal(
      this.#loose,
      0,
      'a statement is kept back in the midst of others that are sent with one Sync',
    )
    return this.#ready === 0
  }
}

/** `Start` for the one message of a client that has no kind. */
function kindOf(message: Buffer): string {
  return message[0] === 0 ? 'Start' : String.fromCharCode(message[0] ?? 0)
}

/** Cuts a stream into messages of the protocol. */
class Messages {
  #rest: Buffer = Buffer.alloc(0)
  #isStarted: boolean

  constructor(isStarted: boolean) {
    this.#isStarted = isStarted
  }

  *add(chunk: Buffer): Generator<Buffer> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    for (;;) {
      const head = this.#isStarted ? 1 : 0
      if (this.#rest.length < head + 4) return
      const end = head + this.#rest.readUInt32BE(head)
      if (this.#rest.length < end) return
      this.#isStarted = true
      const message = this.#rest.subarray(0, end)
      this.#rest = this.#rest.subarray(end)
      yield message
    }
  }
}
