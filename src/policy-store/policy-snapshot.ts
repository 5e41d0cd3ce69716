import type { Instant } from '../instant.ts'
import type { JudgeSettings } from '../policy/policy-set.ts'
import type { TrowException } from '../policy/trow-exception.ts'
import type { TrowPolicy } from '../policy/trow-policy.ts'
import type { PolicyObject } from './unit-book.ts'

/** Everything that a thread needs to judge: plain data, sent to every thread. */
export interface PolicySnapshot {
  /** Increases with each change, also over restarts of this process. */
  readonly generation: number
  /** The same in all processes of the registry; where there is only this one, it is `generation`. */
  readonly registryGeneration: number
  /** Equal for equal policies and exceptions. */
  readonly hash: string
  readonly policies: readonly TrowPolicy[]
  /** Without expired exceptions. */
  readonly exceptions: readonly TrowException[]
  readonly settings: JudgeSettings
  /** The time of `PolicyClock` when the snapshot was made. */
  readonly now: Instant
}

export function snapshotOf(
  objects: readonly PolicyObject[],
  rest: Pick<PolicySnapshot, 'generation' | 'registryGeneration' | 'hash' | 'settings' | 'now'>,
): PolicySnapshot {
  return {
    ...rest,
    policies: objects.flatMap((object) => (object.kind === 'TrowPolicy' ? [object.value] : [])),
    exceptions: objects.flatMap((object) => (object.kind === 'TrowException' ? [object.value] : [])),
  }
}
