import type { NodeProblem } from '../cluster/node-report.ts'
import { forgetCanary, pullCanary, type CanaryResult } from './canary.ts'
import { CriFault, openCri, type Cri } from './cri.ts'
import { pullProblem, type PullContext } from './pull-problem.ts'

export interface CanaryPace {
  /** Between two successful pulls; varied by a tenth. */
  readonly interval: number
  /** After the first failure; doubled with each. */
  readonly retry: number
  /** In which all nodes pull from a new pod of the registry. */
  readonly spread: number
}

const usualPace: CanaryPace = { interval: 600_000, retry: 5000, spread: 5000 }

/** Pulls the canary when it is due, and keeps the result of the last pull. */
export class CanaryKeeper {
  readonly #now: () => number
  readonly #random: () => number
  readonly #pace: CanaryPace
  #connection: { readonly socket: string; readonly cri: Cri } | undefined
  #failures = 0
  #due = 0
  /** Number of calls of `hurry`: a call during a pull is not lost. */
  #hurries = 0
  #image: string | undefined
  #registry: readonly string[] = []
  #provedAt = -1
  result: CanaryResult | undefined
  problem: NodeProblem | undefined
  /** Generation with which the last pull succeeded. */
  effective: number | undefined
  /** The runtime's own name and version, as of the last pull. */
  runtime: { readonly name: string; readonly version: string } | undefined

  constructor(options: {
    readonly now: () => number
    readonly random: () => number
    readonly pace?: Partial<CanaryPace>
  }) {
    this.#now = options.now
    this.#random = options.random
    this.#pace = { ...usualPace, ...options.pace }
  }

  /** Milliseconds until a pull is due. */
  get wait(): number {
    return Math.max(0, this.#due - this.#now())
  }

  /** Whether the last pull succeeded and no change is known since it began. */
  get isProof(): boolean {
    return this.result?.ok === true && this.#provedAt === this.#hurries
  }

  /** The node has changed, so the last pull proves nothing any more: a pull is due now. */
  hurry(): void {
    this.#due = 0
    this.#failures = 0
    this.#hurries++
  }

  /**
   * Receives the uids of the registry's serving pods. A pull that failed is tried again at once. A new pod
   * may have other data, so every node pulls soon, at a random moment within `spread`.
   */
  see(registry: readonly string[]): void {
    const isNew = registry.some((pod) => !this.#registry.includes(pod))
    this.#registry = registry
    if (this.problem !== undefined) this.hurry()
    else if (isNew) this.#askSoon()
  }

  isDue(image: string, written: number | undefined): boolean {
    const isOther = written !== undefined && written !== this.effective && this.#failures === 0
    if (image !== this.#image || isOther) this.#due = 0
    return this.wait === 0
  }

  /** Pulls if it is due. `written`: the generation on the node, if it is known. True: a pull was made. */
  async keep(parts: {
    readonly socket: string
    readonly image: string
    readonly written: number | undefined
    readonly where: PullContext
    /** A token to pull with; undefined: the runtime's own credentials. */
    readonly credential?: (() => Promise<string>) | undefined
  }): Promise<boolean> {
    const { socket, image, written, where, credential } = parts
    if (!this.isDue(image, written)) return false
    this.#image = image
    const hurries = this.#hurries
    const cri = await this.#open(socket)
    const registry = [...this.#registry]
    this.result = { ...(await pullCanary({ cri, image, now: this.#now, credential })), registry }
    this.runtime = await cri.version().catch(() => this.runtime)
    const { interval, retry } = this.#pace
    if (this.result.ok) {
      this.#failures = 0
      this.effective = written
      this.#provedAt = hurries
      this.problem = undefined
    } else {
      this.#failures++
      this.problem = pullProblem(this.result.error ?? '', where)
    }
    const usual = this.result.ok ? interval : Math.min(retry * 2 ** (this.#failures - 1), interval / 2)
    this.#due = this.#now() + usual * (0.9 + this.#random() / 5)
    // Changes that arrived during the pull.
    if (hurries !== this.#hurries) this.#due = 0
    else if (this.#registry.some((pod) => !registry.includes(pod))) this.#askSoon()
    return true
  }

  /** Ends the pulls: forgets the results and removes the pulled image. */
  async forget(socket: string, image: string): Promise<void> {
    this.result = undefined
    this.problem = undefined
    this.effective = undefined
    this.#due = 0
    try {
      await forgetCanary(await this.#open(socket), image)
    } catch (error) {
      if (!(error instanceof CriFault)) throw error
    }
    this.close()
  }

  close(): void {
    this.#connection?.cri.close()
    this.#connection = undefined
  }

  #askSoon(): void {
    this.#due = Math.min(this.#due, this.#now() + this.#random() * this.#pace.spread)
  }

  async #open(socket: string): Promise<Cri> {
    if (this.#connection?.socket === socket) return this.#connection.cri
    this.close()
    const cri = await openCri(socket)
    this.#connection = { socket, cri }
    return cri
  }
}
