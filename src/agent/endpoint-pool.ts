import { pause } from './alarm.ts'
import type { RegistryEndpoint } from './registry-endpoints.ts'

export interface Target {
  readonly host: string
  readonly port: number
}

/** Milliseconds that an endpoint is tried last after it could not be reached or has not answered. */
const distrust = 10_000

/** The endpoints for connections at the moment, and their order. */
export class EndpointPool {
  readonly #node: string
  readonly #now: () => number
  readonly #random: () => number
  readonly #waiting = new Set<() => void>()
  readonly #failedAt = new Map<string, number>()
  #endpoints: readonly RegistryEndpoint[] = []
  #fallbacks: readonly Target[] = []
  /** When the cluster began to report no serving pod. */
  #unservedSince: number | undefined

  /** `node`: this node, whose pods come first. `random`: below 1. */
  constructor(options: { readonly node: string; readonly now: () => number; readonly random: () => number }) {
    this.#node = options.node
    this.#now = options.now
    this.#random = options.random
  }

  get endpoints(): readonly RegistryEndpoint[] {
    return this.#endpoints
  }

  /**
   * Milliseconds for which the cluster has reported no serving pod; 0: one serves, or nothing was reported
   * yet.
   */
  get unserved(): number {
    return this.#unservedSince === undefined ? 0 : this.#now() - this.#unservedSince
  }

  setEndpoints(endpoints: readonly RegistryEndpoint[]): void {
    this.#endpoints = endpoints
    if (endpoints.some(({ serving }) => serving)) this.#unservedSince = undefined
    else this.#unservedSince ??= this.#now()
    for (const key of this.#failedAt.keys())
      if (!endpoints.some((each) => keyOf(each) === key)) this.#failedAt.delete(key)
    this.#wake()
  }

  /** Addresses of the Service, tried when no endpoint is left. */
  setFallbacks(fallbacks: readonly Target[]): void {
    this.#fallbacks = fallbacks
    this.#wake()
  }

  /**
   * Order: ready pods before terminating ones, this node's before others, equal ones at random; pods that
   * failed lately after all of these; then the fallbacks; then pods that do not serve. The last are tried
   * since a starting pod accepts connections up to one probe before the cluster reports it, and the registry
   * listens only when it can answer. Targets in `last` come after all others.
   */
  candidates(last: readonly Target[] = []): readonly Target[] {
    const ranked = this.#endpoints.map((endpoint) => ({ endpoint, rank: this.#rank(endpoint) }))
    ranked.sort((one, other) => one.rank - other.rank)
    const sorted = ranked.map(({ endpoint }) => endpoint)
    const all: readonly Target[] = [
      ...sorted.filter(({ serving }) => serving),
      ...this.#fallbacks,
      ...sorted.filter(({ serving }) => !serving),
    ]
    if (last.length === 0) return all
    const keys = new Set(last.map(keyOf))
    return [...all.filter((each) => !keys.has(keyOf(each))), ...all.filter((each) => keys.has(keyOf(each)))]
  }

  failed(target: Target): void {
    this.#failedAt.set(keyOf(target), this.#now())
  }

  reached(target: Target): void {
    this.#failedAt.delete(keyOf(target))
  }

  /** Resolves at the next change, after `limit` milliseconds, or when the signal fires. */
  async changed(limit: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    let waiting: (() => void) | undefined
    await pause(limit, signal, (wake) => this.#waiting.add((waiting = wake)))
    if (waiting !== undefined) this.#waiting.delete(waiting)
  }

  #rank(endpoint: RegistryEndpoint): number {
    const failedAt = this.#failedAt.get(keyOf(endpoint))
    const distrusted = failedAt !== undefined && this.#now() - failedAt < distrust
    const far = endpoint.node === this.#node ? 0 : 1
    return (distrusted ? 4 : 0) + (endpoint.ready ? 0 : 2) + far + this.#random() / 2
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
  }
}

function keyOf({ host, port }: Target): string {
  return `${host} ${port}`
}
