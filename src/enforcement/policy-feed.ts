import type { PolicySet } from '../policy/policy-set.ts'

/** The policies in force, and notice of newer ones. */
export interface PolicyFeed {
  /** Undefined: no policies have been read yet, so nothing can be judged. */
  readonly current: PoliciesOfNow | undefined
  /** Resolves when `current` has a greater generation, or after `limit` milliseconds. */
  newerThan(generation: number, limit: number): Promise<void>
}

export interface PoliciesOfNow {
  readonly set: PolicySet
  /** Increases with each change, in this process. */
  readonly generation: number
  /** Names the policies to all processes of the registry: a change that they allow says it. */
  readonly registryGeneration: number
}
