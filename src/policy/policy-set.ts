import { CompiledPolicy } from './compiled-policy.ts'
import { ExceptionIndex } from './exception-index.ts'
import type { NameSettings } from './image-reference.ts'
import type { Point, TrowPolicy } from './trow-policy.ts'
import type { TrowException } from './trow-exception.ts'

export interface JudgeSettings extends NameSettings {
  /** The answer where no policy applies: `allow` suits a registry that has no policies yet. */
  readonly noPolicy: 'allow' | 'deny'
}

/** All policies and exceptions in force, indexed once. A change makes a new set. */
export class PolicySet {
  readonly settings: JudgeSettings
  readonly exceptions: ExceptionIndex
  readonly #policies: readonly CompiledPolicy[]
  /** The policies that apply where no namespace is known: each push and pull asks for them. */
  readonly #anywhere = new Map<Point, readonly CompiledPolicy[]>()

  constructor(
    policies: readonly (TrowPolicy | CompiledPolicy)[],
    exceptions: readonly TrowException[] | ExceptionIndex,
    settings: JudgeSettings,
  ) {
    this.settings = settings
    this.exceptions = exceptions instanceof ExceptionIndex ? exceptions : new ExceptionIndex(exceptions)
    this.#policies = policies.map((policy) =>
      policy instanceof CompiledPolicy ? policy : new CompiledPolicy(policy),
    )
  }

  /** Returns the policies that apply at the point. `namespace` undefined: none is known. */
  select(point: Point, namespace: string | undefined): readonly CompiledPolicy[] {
    if (namespace !== undefined) return this.#applying(point, namespace)
    let known = this.#anywhere.get(point)
    if (known === undefined) this.#anywhere.set(point, (known = this.#applying(point, undefined)))
    return known
  }

  #applying(point: Point, namespace: string | undefined): readonly CompiledPolicy[] {
    return this.#policies.filter(
      (compiled) => compiled.policy.modes[point] !== 'off' && compiled.selects(namespace),
    )
  }
}
