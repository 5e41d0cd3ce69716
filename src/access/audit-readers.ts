import type { Decision } from './access.ts'
import type { Principal } from './principal.ts'
import { compileSubject } from './rule-subject.ts'

/**
 * The callers that the configuration allows to read the audit log, in the syntax of a rule's `who`. Never a
 * robot, whose scope is all that it may do, nor the anonymous caller.
 */
export class AuditReaders {
  readonly #who: readonly { readonly text: string; readonly matches: (principal: Principal) => boolean }[]

  constructor(who: readonly string[]) {
    this.#who = who.map((text) => ({ text, matches: compileSubject({ text, deny: false }) }))
  }

  decide(principal: Principal): Decision {
    if (principal.scope !== undefined) return { allowed: false, reason: 'a robot may not read the audit' }
    const found =
      principal.kind === 'anonymous' ? undefined : this.#who.find(({ matches }) => matches(principal))
    return found === undefined
      ? { allowed: false, reason: 'audit-readers does not name the caller' }
      : { allowed: true, reason: `audit-readers names ${found.text}` }
  }
}
