import type { PolicySet } from '../policy/policy-set.ts'

/** The policies of now, and when newer ones come. */
export interface PolicyFeed {
  /** Undefined: none were ever read, and nothing can be judged. */
  readonly current: PoliciesOfNow | undefined
  /** Resolves when `current` has a greater generation, or when `limit` milliseconds are over. */
  newerThan(generation: number, limit: number): Promise<void>
}

export interface PoliciesOfNow {
  readonly set: PolicySet
  /** Grows with each change. */
  readonly generation: number
}
