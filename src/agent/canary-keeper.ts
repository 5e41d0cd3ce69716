import type { NodeProblem } from '../cluster/node-report.ts'
import { forgetCanary, pullCanary, type CanaryResult } from './canary.ts'
import { CriFault, openCri, type Cri } from './cri.ts'
import { pullProblem, type PullSurroundings } from './pull-problem.ts'

export interface CanaryPace {
  /** Between two pulls that succeed; a tenth more or less. */
  readonly interval: number
  /** After the first failure; doubled with each. */
  readonly retry: number
  /** In which all nodes ask a pod of the registry that is new. */
  readonly spread: number
}

const usualPace: CanaryPace = { interval: 600_000, retry: 5000, spread: 5000 }

/** Pulls the canary when it is time, and knows what its last pull proved. */
export class CanaryKeeper {
  readonly #now: () => number
  readonly #random: () => number
  readonly #pace: CanaryPace
  #connection: { readonly socket: string; readonly cri: Cri } | undefined
  #failures = 0
  #due = 0
  /** Of calls of `hurry`: one that comes during a pull is not lost. */
  #hurries = 0
  #image: string | undefined
  #registry: readonly string[] = []
  #provedAt = -1
  result: CanaryResult | undefined
  problem: NodeProblem | undefined
  /** Generation with which the last pull succeeded. */
  effective: number | undefined
  /** As it says itself, since the last pull. */
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

  /** The last pull has succeeded, and nothing is known to have changed since it began. */
  get isProof(): boolean {
    return this.result?.ok === true && this.#provedAt === this.#hurries
  }

  /** Something on the node is not what it was: what the last pull proved is out of date. */
  hurry(): void {
    this.#due = 0
    this.#failures = 0
    this.#hurries++
  }

  /**
   * The pods of the registry that serve, by their uids. What failed for want of one is tried again at once; another pod may
   * have other data, so every node asks it soon, and not all of them in the same moment.
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

  /** Pulls if it is due. `written`: generation that stands on the node, if it is known. True: it was pulled now. */
  async keep(parts: {
    readonly socket: string
    readonly image: string
    readonly written: number | undefined
    readonly where: PullSurroundings
    /** A token to pull with; undefined: what the runtime itself has. */
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
    // What came during the pull.
    if (hurries !== this.#hurries) this.#due = 0
    else if (this.#registry.some((pod) => !registry.includes(pod))) this.#askSoon()
    return true
  }

  /** No pull is wanted any more: what was pulled goes too. */
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
