import type { NodeProblem } from '../cluster/node-report.ts'
import { errorCode } from '../error-code.ts'
import { reasonOf } from '../reason-of.ts'
import type { EndpointPool } from './endpoint-pool.ts'
import { LoopbackProxy } from './loopback-proxy.ts'

/** Has the proxy listen where the settings want it, as long as they want it. */
export class ProxyKeeper {
  readonly #pool: EndpointPool
  readonly #node: string
  readonly #grace: number
  readonly #closing = new Set<Promise<void>>()
  #proxy: LoopbackProxy | undefined
  #port: number | undefined
  problem: NodeProblem | undefined

  /** `grace`: milliseconds that open connections have when it stops to listen. */
  constructor(options: { readonly pool: EndpointPool; readonly node: string; readonly grace: number }) {
    this.#pool = options.pool
    this.#node = options.node
    this.#grace = options.grace
  }

  /** Undefined: it does not listen. */
  get port(): number | undefined {
    return this.#proxy?.port
  }

  /** A port that is taken is a problem, and tried again at the next call. */
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

  /** Open connections come to their end by themselves. */
  stop(): void {
    if (this.#proxy === undefined) return
    const closing = this.#proxy.close(this.#grace)
    this.#closing.add(closing)
    void closing.then(() => this.#closing.delete(closing))
    this.#proxy = undefined
    this.#port = undefined
  }
}
