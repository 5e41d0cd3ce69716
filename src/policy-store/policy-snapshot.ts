import type { Instant } from '../instant.ts'
import type { JudgeSettings } from '../policy/policy-set.ts'
import type { TrowException } from '../policy/trow-exception.ts'
import type { TrowPolicy } from '../policy/trow-policy.ts'
import type { PolicyObject } from './unit-book.ts'

/** All that the doors judge by: plain data, for every thread. */
export interface PolicySnapshot {
  /** Grows with each change, also from one process to the next. */
  readonly generation: number
  readonly policies: readonly TrowPolicy[]
  /** Those that have not expired. */
  readonly exceptions: readonly TrowException[]
  readonly settings: JudgeSettings
  /** The time of `PolicyClock` when it was made. */
  readonly now: Instant
}

export function snapshotOf(
  objects: readonly PolicyObject[],
  rest: Pick<PolicySnapshot, 'generation' | 'settings' | 'now'>,
): PolicySnapshot {
  return {
    ...rest,
    policies: objects.flatMap((object) => (object.kind === 'TrowPolicy' ? [object.value] : [])),
    exceptions: objects.flatMap((object) => (object.kind === 'TrowException' ? [object.value] : [])),
  }
}
