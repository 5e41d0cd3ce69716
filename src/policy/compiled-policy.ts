import type { Digest } from '../oci/digest.ts'
import { NamespacePatterns } from './namespace-patterns.ts'
import { ScopeIndex } from './scope-index.ts'
import type { DenyEntry, Rule, TrowPolicy } from './trow-policy.ts'

/** A policy whose lists are looked up and not read. */
export class CompiledPolicy {
  readonly policy: TrowPolicy
  readonly deniedScopes = new ScopeIndex<DenyEntry>()
  readonly deniedDigests = new Map<Digest, DenyEntry>()
  readonly rules = new ScopeIndex<Rule>()
  readonly #include: NamespacePatterns
  readonly #exclude: NamespacePatterns

  constructor(policy: TrowPolicy) {
    this.policy = policy
    this.#include = new NamespacePatterns(policy.namespaces.include)
    this.#exclude = new NamespacePatterns(policy.namespaces.exclude)
    for (const entry of policy.deny)
      if (typeof entry.target === 'string') this.deniedDigests.set(entry.target, entry)
      else this.deniedScopes.set(entry.target, entry)
    for (const rule of policy.rules) this.rules.set(rule.scope, rule)
  }

  selects(namespace: string | undefined): boolean {
    return this.#include.has(namespace) && !this.#exclude.has(namespace)
  }
}
