import { nounFor } from '../counted.ts'
import { patternCovers, patternProblem } from '../oci/repository-pattern.ts'
import { actions, type Action } from './principal.ts'
import { groupOf, isWord, subjectCovers, type Subject } from './rule-subject.ts'
import { ownNamespace, type AccessRule } from './rules.ts'

export interface RuleFinding {
  /** An error is never intended; a warning may be. */
  readonly level: 'error' | 'warning'
  /** The rule's place, counted from 0. */
  readonly rule: number
  readonly message: string
}

/** The sources of callers that the server of these rules has; undefined: all sources. */
export interface LintSources {
  /** Whether a cluster is asked: without one, no caller has a name or group that begins with `system:`. */
  readonly cluster: boolean
  readonly oidcPrefixes: readonly string[]
}

/**
 * Finds parts of rules that are invalid or have no effect: unknown actions, patterns and names that nothing
 * can match, rules that other rules decide completely (an earlier allow, or any deny). A rule that decides
 * something is never reported as covered.
 */
export function lintRules(rules: readonly AccessRule[], sources?: LintSources): readonly RuleFinding[] {
  return rules.flatMap((rule, place) => {
    const found: RuleFinding[] = []
    const add = (level: RuleFinding['level'], message: string): void =>
      void found.push({ level, rule: place, message })
    for (const list of ['who', 'repositories', 'actions'] as const)
      if (rule[list].length === 0) add('error', `"${list}" is empty, so the rule does nothing`)
    for (const action of rule.actions)
      if (!actions.includes(action))
        add('error', `there is no action "${action}"; there are ${actions.join(', ')}`)
    for (const pattern of rule.repositories) {
      const problem = patternProblem(pattern.replaceAll(ownNamespace, 'a'))
      if (problem !== undefined) add('error', `the pattern "${pattern}" matches nothing: ${problem}`)
    }
    for (const word of rule.who) {
      const problem = subjectProblem(word, sources)
      if (problem !== undefined) add('error', `"${word}" names nobody: ${problem}`)
      const meant = nearWords[word]
      if (meant !== undefined)
        add('warning', `"${word}" is taken as somebody's name; "${meant}" may be meant`)
    }
    for (const message of looksWrong(rule)) add('warning', message)
    const covered = coveredBy(rules, place)
    if (covered !== undefined) add('warning', covered)
    return found
  })
}

const nearWords: Readonly<Record<string, string>> = {
  user: 'users',
  robot: 'robots',
  node: 'nodes',
  everyone: 'authenticated',
  everybody: 'authenticated',
  all: 'authenticated',
  anyone: 'anonymous',
  public: 'anonymous',
}

function subjectProblem(word: string, sources: LintSources | undefined): string | undefined {
  const name = groupOf(word) ?? word
  if (name === '') return 'it is empty'
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(name)) return 'it holds a control character'
  if (name.startsWith('robot+system:')) return 'robots have no such names'
  if (sources === undefined || isWord(word) || isAnonymous(word)) return undefined
  if (!sources.cluster && name.startsWith('system:'))
    return 'names that begin with "system:" come from a cluster only, and none is asked'
  if (!sources.cluster && sources.oidcPrefixes.length === 0 && name !== word)
    return 'only a cluster or an OIDC issuer knows groups, and there is neither'
  return undefined
}

function isAnonymous(word: string): boolean {
  return ['anonymous', 'system:anonymous', 'group:system:unauthenticated'].includes(word)
}

function* looksWrong(rule: AccessRule): Generator<string> {
  const { deny = false } = rule
  if (!deny && rule.actions.includes('push') && !rule.actions.includes('pull'))
    yield 'it allows push without pull: clients look before they push, and fail'
  if (deny && rule.who.includes('authenticated') && !rule.who.some((word) => isAnonymous(word)))
    yield 'it denies "authenticated", which leaves out the anonymous caller; "*" denies all'
  const open = rule.actions.filter((action) => action === 'push' || action === 'delete')
  if (!deny && open.length > 0 && rule.who.some((word) => isAnonymous(word)))
    yield `it allows ${open.join(' and ')} to everybody, without any credential`
}

/**
 * Reports a rule of which every combination is decided by earlier rules or, for an allow, by deny rules
 * anywhere.
 */
function coveredBy(rules: readonly AccessRule[], place: number): string | undefined {
  const rule = rules[place]
  if (rule === undefined || rule.who.length * rule.repositories.length * rule.actions.length === 0)
    return undefined
  const deny = rule.deny ?? false
  const others = rules
    .map((other, index) => ({ other, index }))
    .filter(({ other, index }) => {
      if (index === place) return false
      if (deny) return other.deny === true && index < place
      return other.deny === true || index < place
    })
  const used = new Set<number>()
  for (const who of rule.who)
    for (const repositories of rule.repositories)
      for (const action of rule.actions) {
        const cover = others.find(({ other }) =>
          saysAll(other, { who: { text: who, deny }, repositories, action }),
        )
        if (cover === undefined) return undefined
        used.add(cover.index)
      }
  const by = [...used].sort((a, b) => a - b).map((index) => index + 1)
  const denied = !deny && [...used].every((index) => rules[index]?.deny === true)
  const places = `${nounFor(by.length, 'rule')} ${by.join(', ')}`
  return denied
    ? `it is unreachable: ${places} ${by.length > 1 ? 'deny' : 'denies'} all that it allows`
    : `it is shadowed: ${places} ${by.length > 1 ? 'decide' : 'decides'} all of it already`
}

function saysAll(
  rule: AccessRule,
  one: { readonly who: Subject; readonly repositories: string; readonly action: Action },
): boolean {
  return (
    rule.actions.includes(one.action) &&
    rule.who.some((text) => subjectCovers({ text, deny: rule.deny ?? false }, one.who)) &&
    rule.repositories.some((pattern) => patternCovers(pattern, one.repositories))
  )
}
