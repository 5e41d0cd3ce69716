import type { NodeProblem } from '../cluster/node-report.ts'
import { errorCode } from '../error-code.ts'
import { reasonOf } from '../reason-of.ts'
import type { EndpointPool } from './endpoint-pool.ts'
import { LoopbackProxy } from './loopback-proxy.ts'

/** Keeps the proxy listening on the port of the settings. */
export class ProxyKeeper {
  readonly #pool: EndpointPool
  readonly #node: string
  readonly #grace: number
  readonly #closing = new Set<Promise<void>>()
  #proxy: LoopbackProxy | undefined
  #port: number | undefined
  problem: NodeProblem | undefined

  /** `grace`: milliseconds for open connections after the proxy stops listening. */
  constructor(options: { readonly pool: EndpointPool; readonly node: string; readonly grace: number }) {
    this.#pool = options.pool
    this.#node = options.node
    this.#grace = options.grace
  }

  /** Undefined: the proxy does not listen. */
  get port(): number | undefined {
    return this.#proxy?.port
  }

  /** A port that is taken becomes a problem, and the next call tries it again. */
  async listen(port: number): Promise<void> {
    if (this.#proxy !== undefined && this.#port === port) return
    try {
      const next = await LoopbackProxy.listen(port, this.#pool)
      this.stop()
      this.#proxy = next
      this.#port = port
      this.problem = undefined
    } catch (error) {
      if (this.#port !== port) this.stop()
      this.problem = {
        code: 'LOOPBACK_PORT_TAKEN',
        message: `127.0.0.1:${port} of node ${this.#node} cannot be listened on: ${errorCode(error) ?? reasonOf(error)}`,
        hint: `On node ${this.#node}: ss -ltnp 'sport = :${port}' names the program that must let it go; pulls go to the Service meanwhile.`,
        fatal: false,
      }
    }
  }

  /** Resolves when no connection is left. */
  async close(): Promise<void> {
    this.stop()
    await Promise.all(this.#closing)
  }

  /** Stops listening; open connections may finish within `grace`. */
  stop(): void {
    if (this.#proxy === undefined) return
    const closing = this.#proxy.close(this.#grace)
    this.#closing.add(closing)
    void closing.then(() => this.#closing.delete(closing))
    this.#proxy = undefined
    this.#port = undefined
  }
}
