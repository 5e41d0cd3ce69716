import type { Digest } from '../oci/digest.ts'
import { ScopeIndex } from './scope-index.ts'
import type { DenyEntry, Rule, TrowPolicy } from './trow-policy.ts'

/** A policy whose lists are looked up and not read. */
export class CompiledPolicy {
  readonly policy: TrowPolicy
  readonly deniedScopes = new ScopeIndex<DenyEntry>()
  readonly deniedDigests = new Map<Digest, DenyEntry>()
  readonly rules = new ScopeIndex<Rule>()

  constructor(policy: TrowPolicy) {
    this.policy = policy
    for (const entry of policy.deny)
      if (typeof entry.target === 'string') this.deniedDigests.set(entry.target, entry)
      else this.deniedScopes.set(entry.target, entry)
    for (const rule of policy.rules) this.rules.set(rule.scope, rule)
  }

  selects(namespace: string | undefined): boolean {
    const { include, exclude } = this.policy.namespaces
    return include.has(namespace) && !exclude.has(namespace)
  }
}
