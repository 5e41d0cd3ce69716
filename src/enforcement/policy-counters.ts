import type { Mode } from '../policy/document-schema.ts'
import type { Point } from '../policy/trow-policy.ts'

/** The number of equal decisions of a policy: plain data for main. No field names an image. */
export interface PolicyCount {
  readonly point: Point
  /** Empty: the decision follows from the settings, because no policy applies. */
  readonly policy: string
  readonly mode: Mode
  /** `excepted`: an exception lifts the refusal; `unchecked`: passed over because of `onError: allow`. */
  readonly decision: 'allow' | 'deny' | 'warn' | 'would-deny' | 'excepted' | 'unchecked'
  /** The reason's code; empty for `allow`. */
  readonly reason: string
  count: number
}

/** All counters of a thread. Their number is bounded by the combinations of policies, modes and reasons. */
export class PolicyCounters {
  readonly #counts = new Map<string, PolicyCount>()

  /** Returns the same counter object for equal arguments. */
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
