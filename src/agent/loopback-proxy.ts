import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { ClientHello } from './client-hello.ts'
import { dial } from './dial.ts'
import type { EndpointPool, Target } from './endpoint-pool.ts'

export interface ProxyTimes {
  /** For a connection while no endpoint accepts it. */
  readonly hold: number
  /**
   * Used instead of `hold` once no pod has served for `gone`: kubelets pull one image after the other, and
   * images of other registries wait behind.
   */
  readonly briefHold: number
  readonly gone: number
  /** For one endpoint to accept a connection. */
  readonly dial: number
  /** For its first byte after the client's last one, before the next endpoint is asked as well. */
  readonly answer: number
  /** Between two rounds of all endpoints, unless they change first. */
  readonly pause: number
}

/**
 * Milliseconds. containerd and CRI-O allow a TLS handshake 10 s. The client must give up first: containerd
 * then tries again at its next host, which is this proxy once more.
 */
const usualTimes: ProxyTimes = {
  hold: 12_000,
  briefHold: 1000,
  gone: 120_000,
  dial: 1500,
  answer: 3000,
  pause: 400,
}
/**
 * Milliseconds for a client to close, after its registry broke off and the proxy has ended the connection.
 */
const farewell = 10_000
/** Milliseconds of TCP keep-alive, which detects a peer that disappeared without closing. */
const keepAlive = 30_000
const mostConnections = 8192

/**
 * A port on the node's loopback that forwards every byte to the registry; TLS ends in the registry. A
 * connection that finds no endpoint, or one that breaks off before its first byte, is held for a while, so
 * that replacing a registry pod fails no pull. If an endpoint is silent, the next one is asked the same as
 * well, and the first to answer is used. After its first byte an endpoint may take any time.
 */
export class LoopbackProxy {
  readonly #server: Server
  readonly #pool: EndpointPool
  readonly #times: ProxyTimes
  readonly #open = new Set<Socket>()
  readonly #ended = new AbortController()

  private constructor(server: Server, pool: EndpointPool, times: ProxyTimes) {
    this.#server = server
    this.#pool = pool
    this.#times = times
    server.on('connection', (client) => void this.#serve(client))
  }

  /** Rejects with the system's error, EADDRINUSE if the port is taken. Port 0: any. */
  static async listen(
    port: number,
    pool: EndpointPool,
    times: Partial<ProxyTimes> = {},
  ): Promise<LoopbackProxy> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true })
    server.maxConnections = mostConnections
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port, backlog: 1024, exclusive: true }, resolve)
    await promise
    server.off('error', reject)
    // A connection could not be accepted for lack of descriptors: the others go on.
    server.on('error', () => {})
    return new LoopbackProxy(server, pool, { ...usualTimes, ...times })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get connections(): number {
    return this.#open.size
  }

  /**
   * Refuses new connections at once, lets open ones finish, and cuts those that take longer than `limit`
   * milliseconds.
   */
  async close(limit: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#server.close(() => resolve())
    const timer = setTimeout(() => {
      this.#ended.abort()
      for (const client of this.#open) client.destroy()
    }, limit)
    await promise
    clearTimeout(timer)
  }

  async #serve(client: Socket): Promise<void> {
    this.#open.add(client)
    client.once('close', () => this.#open.delete(client))
    // Without a listener a reset would end the process; `join` passes it on to the other side.
    client.on('error', () => {})
    const gone = new AbortController()
    client.once('close', () => gone.abort())
    const signal = AbortSignal.any([gone.signal, this.#ended.signal])
    const upstream = await this.#answering(client, signal)
    if (upstream === undefined || client.destroyed) {
      upstream?.resetAndDestroy()
      leave(client)
      return
    }
    join(client, upstream)
  }

  /**
   * An upstream that has answered, or whose client waits for no answer. Undefined: there was none in time.
   */
  async #answering(client: Socket, signal: AbortSignal): Promise<Socket | undefined> {
    const { hold, briefHold, gone } = this.#times
    const until = performance.now() + (this.#pool.unserved < gone ? hold : briefHold)
    const hello = new ClientHello(client, signal)
    const asked = new Map<Socket, Target>()
    try {
      for (;;) {
        const reached = await this.#connect(until, [...asked.values()], hello.over)
        if (reached === undefined) {
          await hello.rest()
          break
        }
        const { upstream, target } = reached
        asked.set(upstream, target)
        const attempt = await hello.ask(upstream, this.#times.answer)
        if (attempt === 'over') break
        this.#pool.failed(target)
        const left = Math.max(0, Math.min(until - performance.now(), this.#times.pause))
        if (attempt === 'broken-off') await this.#pool.changed(left, hello.over)
      }
    } finally {
      hello.release()
    }
    const target = hello.upstream && asked.get(hello.upstream)
    if (target !== undefined) this.#pool.reached(target)
    return hello.upstream
  }

  /** `asked`: targets that already have this client's hello, tried after all others. */
  async #connect(
    until: number,
    asked: readonly Target[],
    signal: AbortSignal,
  ): Promise<{ readonly upstream: Socket; readonly target: Target } | undefined> {
    for (;;) {
      for (const target of this.#pool.candidates(asked)) {
        const left = until - performance.now()
        if (signal.aborted || left <= 0) return undefined
        const upstream = await dial(target, Math.min(left, this.#times.dial), signal)
        if (upstream !== undefined) return { upstream, target }
        if (!signal.aborted) this.#pool.failed(target)
      }
      const left = until - performance.now()
      if (signal.aborted || left <= 0) return undefined
      await this.#pool.changed(Math.min(left, this.#times.pause), signal)
    }
  }
}

/**
 * Copies bytes both ways, each at the pace of its reader, and passes on each end by itself (half-close). If
 * the client breaks off, the registry's side is reset. If the registry breaks off, the client's side is
 * ended, not reset: TLS tells this from an intended end, and containerd then continues by Range, whereas it
 * gives up after a reset.
 */
function join(client: Socket, upstream: Socket): void {
  for (const one of [client, upstream]) one.setKeepAlive(true, keepAlive)
  client.once('error', () => upstream.resetAndDestroy())
  client.once('close', () => {
    // Both directions have ended: the other side has received both ends already.
    if (!client.readableEnded || !client.writableFinished) upstream.destroy()
  })
  upstream.once('close', () => leave(client))
  client.pipe(upstream)
  upstream.pipe(client)
}

/**
 * Ends the connection without a reset. Closing a socket with unread bytes would reset it, so what the client
 * still sends is read.
 */
function leave(client: Socket): void {
  client.unpipe()
  client.end()
  client.resume()
  client.setTimeout(farewell, () => client.destroy())
}
