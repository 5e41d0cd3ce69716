import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { ClientHello } from './client-hello.ts'
import { dial } from './dial.ts'
import type { EndpointPool, Target } from './endpoint-pool.ts'

export interface ProxyTimes {
  /** For a connection while no endpoint takes it. */
  readonly hold: number
  /** Instead, once nobody has served for `gone`: kubelets pull one image after the other, and others have their registries. */
  readonly briefHold: number
  readonly gone: number
  /** For one endpoint to take a connection. */
  readonly dial: number
  /** For its first byte after the client's last one, before the next is asked as well. */
  readonly answer: number
  /** Between two rounds of all endpoints, unless they change first. */
  readonly pause: number
}

/**
 * containerd gives a TLS handshake 10 s, and so does CRI-O. It is the client that is to give up: what it gave up itself
 * containerd tries again at its next host, which is this proxy once more.
 */
const usualTimes: ProxyTimes = {
  hold: 12_000,
  briefHold: 1000,
  gone: 120_000,
  dial: 1500,
  answer: 3000,
  pause: 400,
}
/** For a client to close, once its registry broke off and it was told so by an end. */
const farewell = 10_000
/** Of the operating system: finds out about a peer that is gone without a word. */
const keepAlive = 30_000
const mostConnections = 8192

/**
 * A port of the node's loopback that is the registry, byte for byte: TLS ends in the registry. Connections that find no
 * endpoint, or one that breaks off before its first byte, are held for a while, so that a registry that is being replaced
 * costs no pull; where an endpoint is silent, the next one is asked the same as well, and the first to answer is taken. From
 * its first byte on an endpoint has all the time it takes.
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

  /** Rejects with the system's error, EADDRINUSE where the port is taken. Port 0: any. */
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
    // A connection that could not be accepted, for want of descriptors: the others go on.
    server.on('error', () => {})
    return new LoopbackProxy(server, pool, { ...usualTimes, ...times })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get connections(): number {
    return this.#open.size
  }

  /** Refuses new connections at once, lets open ones come to their end, and cuts those that take longer than `limit`. */
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
    // Without a listener a reset would end the process; what it means for the other side is said below.
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

  /** One that has said something, or whose client waits for nothing; undefined where there was none in time. */
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

  /** `asked`: those that are tried after all others, for they have this client's hello. */
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
 * Bytes both ways, each at the pace of its reader; an end is passed on by itself (half-close). A client that breaks off resets
 * the registry's side. A registry that breaks off ends the client's: TLS tells that from an end that was meant, containerd goes
 * on with the rest by Range after it, and gives up after a reset.
 */
function join(client: Socket, upstream: Socket): void {
  for (const one of [client, upstream]) one.setKeepAlive(true, keepAlive)
  client.once('error', () => upstream.resetAndDestroy())
  client.once('close', () => {
    // Both ends were told: the other side has had them already.
    if (!client.readableEnded || !client.writableFinished) upstream.destroy()
  })
  upstream.once('close', () => leave(client))
  client.pipe(upstream)
  upstream.pipe(client)
}

/** An end, and no reset: a socket that is closed with unread bytes would be one, so what the client still says is read. */
function leave(client: Socket): void {
  client.unpipe()
  client.end()
  client.resume()
  client.setTimeout(farewell, () => client.destroy())
}
