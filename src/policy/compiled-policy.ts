import type { Digest } from '../oci/digest.ts'
import { NamespacePatterns } from './namespace-patterns.ts'
import { ScopeIndex } from './scope-index.ts'
import type { DenyEntry, Requirements, TrowPolicy } from './trow-policy.ts'

/** What a decision says of an entry of a deny list that it has found. */
export type Denied = Pick<DenyEntry, 'reason' | 'fix'>

export interface DeniedScope extends Denied {
  /** As written. */
  readonly scope: string
}

export interface RequiringRule {
  /** As written. */
  readonly scope: string
  readonly require: Requirements
}

/** A rule for which the name alone is sufficient. Of these nothing is ever said, so that one object stands for all. */
export const unverified = { require: undefined } as const

/**
 * A policy whose lists are indexed, so that a decision looks entries up instead of reading the lists. It keeps of them what decisions
 * need: every thread has a copy of its own of the largest lists.
 */
export class CompiledPolicy {
  /** But for its lists, which it may have been given in parts. */
  readonly policy: Omit<TrowPolicy, 'deny' | 'rules'>
  readonly deniedScopes = new ScopeIndex<DeniedScope>()
  readonly deniedDigests = new Map<Digest, Denied>()
  readonly rules = new ScopeIndex<RequiringRule | typeof unverified>()
  readonly #include: NamespacePatterns
  readonly #exclude: NamespacePatterns

  constructor(policy: TrowPolicy) {
    this.policy = policy
    this.#include = new NamespacePatterns(policy.namespaces.include)
    this.#exclude = new NamespacePatterns(policy.namespaces.exclude)
    this.add(policy)
  }

  /** More of its lists, for who makes it ready in parts. */
  add({ deny, rules }: Pick<TrowPolicy, 'deny' | 'rules'>): void {
    let last: Denied | undefined
    for (const { target, reason, fix } of deny) {
      if (typeof target !== 'string') {
        this.deniedScopes.set(target, { scope: target.text, reason, fix })
        continue
      }
      // Lists of digests are long, and often give one reason for many.
      if (last?.reason !== reason || last.fix !== fix) last = { reason, fix }
      this.deniedDigests.set(target, last)
    }
    for (const { scope, require } of rules)
      this.rules.set(scope, require === undefined ? unverified : { scope: scope.text, require })
  }

  selects(namespace: string | undefined): boolean {
    return this.#include.has(namespace) && !this.#exclude.has(namespace)
  }
}
