import type { Mode } from '../policy/document-schema.ts'
import type { Point } from '../policy/trow-policy.ts'

/** How often a policy has decided something: plain data for main. Nothing in it names an image. */
export interface PolicyCount {
  readonly point: Point
  /** Empty: the settings, where no policy judges. */
  readonly policy: string
  readonly mode: Mode
  /** `excepted`: an exception lifts it; `unchecked`: `onError: allow`. */
  readonly decision: 'allow' | 'deny' | 'warn' | 'would-deny' | 'excepted' | 'unchecked'
  /** The code; empty where it is allowed. */
  readonly reason: string
  count: number
}

/** All counts of a thread. There are no more than policies, modes and reasons have combinations. */
export class PolicyCounters {
  readonly #counts = new Map<string, PolicyCount>()

  /** One and the same count for what is counted together. */
  of(what: Omit<PolicyCount, 'count'>): PolicyCount {
    const { point, policy, mode, decision, reason } = what
    const key = [point, policy, mode, decision, reason].join(' ')
    let count = this.#counts.get(key)
    if (count === undefined) this.#counts.set(key, (count = { ...what, count: 0 }))
    return count
  }

  snapshot(): PolicyCount[] {
    return [...this.#counts.values()].filter(({ count }) => count > 0)
  }
}
