import { CompiledPolicy } from './compiled-policy.ts'
import { ExceptionIndex } from './exception-index.ts'
import type { NameSettings } from './image-reference.ts'
import type { Point, TrowPolicy } from './trow-policy.ts'
import type { TrowException } from './trow-exception.ts'

export interface JudgeSettings extends NameSettings {
  /** The answer where no policy judges: `allow` while there are none yet. */
  readonly noPolicy: 'allow' | 'deny'
}

/** All policies and exceptions that are in force, made ready once. A change makes a new set. */
export class PolicySet {
  readonly settings: JudgeSettings
  readonly exceptions: ExceptionIndex
  readonly #policies: readonly CompiledPolicy[]

  constructor(
    policies: readonly TrowPolicy[],
    exceptions: readonly TrowException[],
    settings: JudgeSettings,
  ) {
    this.settings = settings
    this.exceptions = new ExceptionIndex(exceptions)
    this.#policies = policies.map((policy) => new CompiledPolicy(policy))
  }

  /** The policies that judge there. `namespace` undefined: none is known. */
  select(point: Point, namespace: string | undefined): readonly CompiledPolicy[] {
    return this.#policies.filter(
      (compiled) => compiled.policy.modes[point] !== 'off' && compiled.selects(namespace),
    )
  }
}
