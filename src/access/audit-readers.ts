import type { Decision } from './access.ts'
import type { Principal } from './principal.ts'
import { compileSubject } from './rule-subject.ts'

/**
 * Who may read the audit by what the configuration says, in the words of a rule's `who`. Not a robot, which may do what it
 * was made for, nor the anonymous caller, whatever the words are.
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
