import type { RepositoryName } from '../oci/repository-name.ts'
import { compilePattern } from '../oci/repository-pattern.ts'
import { actions, type Action, type Principal } from './principal.ts'
import { compileSubject, namespaceOf } from './rule-subject.ts'

/**
 * One rule of trow.yaml: who may (or, with `deny`, may not) do what where. The entries of a list are
 * alternatives.
 */
export interface AccessRule {
  /**
   * Names and `group:NAME`, both with `*`, which includes the anonymous caller only if the rule denies;
   * `users`, `robots`, `nodes`, `service-accounts`, `authenticated`, `anonymous`.
   */
  readonly who: readonly string[]
  /** Patterns for `compilePattern`; `{namespace}` is the calling service account's own. */
  readonly repositories: readonly string[]
  readonly actions: readonly Action[]
  readonly deny?: boolean | undefined
}

export interface RuleDecision {
  /** `silent`: the rules neither allow nor deny; a review may still allow. */
  readonly kind: 'allowed' | 'denied' | 'silent'
  /** Names the rule by its place, counted from 1. */
  readonly reason: string
  /** The rule's place, counted from 0. */
  readonly rule?: number
}

/** In a rule's `repositories`: the namespace of the calling service account. */
export const ownNamespace = '{namespace}'

/**
 * The rules without a configuration: password users may do everything; other callers need a robot's scope or
 * a review.
 */
export const defaultRules: readonly AccessRule[] = [{ who: ['users'], repositories: ['**'], actions }]

interface Compiled {
  readonly place: number
  readonly who: readonly { readonly text: string; readonly matches: (principal: Principal) => boolean }[]
  readonly repositories: readonly {
    readonly text: string
    readonly matches: (repository: string, principal: Principal) => boolean
  }[]
}

const silent: RuleDecision = { kind: 'silent', reason: 'no rule allows it' }

/**
 * Compiled rules, evaluated for every request: a deny rule wins wherever it stands, then any rule that
 * allows.
 */
export class Rules {
  readonly #denying: ReadonlyMap<Action, readonly Compiled[]>
  readonly #allowing: ReadonlyMap<Action, readonly Compiled[]>
  readonly #ofPrincipals = new WeakMap<Principal, Map<readonly Compiled[], readonly Own[]>>()

  constructor(rules: readonly AccessRule[]) {
    this.#denying = byAction(rules, true)
    this.#allowing = byAction(rules, false)
  }

  /** A robot may do what its scope allows; no rule extends the scope, and a deny rule restricts it. */
  decide(principal: Principal, action: Action, repository: RepositoryName): RuleDecision {
    const denied = this.#find(this.#denying.get(action), principal, repository)
    if (denied !== undefined) return says('denied', denied, action)
    if (principal.scope !== undefined) return decideByScope(principal, action, repository)
    const allowed = this.#find(this.#allowing.get(action), principal, repository)
    return allowed === undefined ? silent : says('allowed', allowed, action)
  }

  #find(
    rules: readonly Compiled[] | undefined,
    principal: Principal,
    repository: RepositoryName,
  ): MatchedRule | undefined {
    if (rules === undefined) return undefined
    for (const { place, who, repositories } of this.#ownOf(principal, rules)) {
      const pattern = repositories.find(({ matches }) => matches(repository, principal))
      if (pattern !== undefined) return { place, who, repositories: pattern.text }
    }
    return undefined
  }

  /** The rules that name a principal, selected once: a catalogue decides 100,000 names. */
  #ownOf(principal: Principal, rules: readonly Compiled[]): readonly Own[] {
    let known = this.#ofPrincipals.get(principal)
    if (known === undefined) this.#ofPrincipals.set(principal, (known = new Map()))
    let own = known.get(rules)
    if (own === undefined) {
      own = rules.flatMap(({ place, who, repositories }) => {
        const subject = who.find(({ matches }) => matches(principal))
        return subject === undefined ? [] : [{ place, who: subject.text, repositories }]
      })
      known.set(rules, own)
    }
    return own
  }
}

/** A rule that names a principal, and the word by which it does. */
interface Own extends Pick<Compiled, 'place' | 'repositories'> {
  readonly who: string
}

interface MatchedRule {
  readonly place: number
  readonly who: string
  readonly repositories: string
}

/** What `{namespace}/**` matches depends on the caller. */
function compileRepositories(text: string): (repository: string, principal: Principal) => boolean {
  if (!text.includes(ownNamespace)) return compilePattern(text)
  return (repository, principal) => {
    const namespace = namespaceOf(principal)
    return namespace !== undefined && compilePattern(text.replaceAll(ownNamespace, namespace))(repository)
  }
}

function decideByScope(principal: Principal, action: Action, repository: RepositoryName): RuleDecision {
  for (const grant of principal.scope ?? []) {
    if (!grant.actions.includes(action)) continue
    const pattern = grant.repositories.find((each) => compilePattern(each)(repository))
    if (pattern !== undefined)
      return { kind: 'allowed', reason: `the robot's scope has ${action} on ${pattern}` }
  }
  return { kind: 'denied', reason: `the robot's scope does not have ${action} on this repository` }
}

function says(kind: 'allowed' | 'denied', found: MatchedRule, action: Action): RuleDecision {
  const verb = kind === 'allowed' ? 'allows' : 'denies'
  const reason = `rule ${found.place + 1} ${verb} ${found.who} ${action} on ${found.repositories}`
  return { kind, reason, rule: found.place }
}

function byAction(rules: readonly AccessRule[], deny: boolean): ReadonlyMap<Action, readonly Compiled[]> {
  const compiled = rules.map((rule, place) => ({
    rule,
    place,
    who: rule.who.map((text) => ({ text, matches: compileSubject({ text, deny: rule.deny ?? false }) })),
    repositories: rule.repositories.map((text) => ({ text, matches: compileRepositories(text) })),
  }))
  return new Map(
    actions.map((action) => [
      action,
      compiled.filter(({ rule }) => (rule.deny ?? false) === deny && rule.actions.includes(action)),
    ]),
  )
}
