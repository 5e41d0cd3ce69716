import type { JudgeSettings } from '../policy-set.ts'
import type { Requirements, TrowPolicy } from '../trow-policy.ts'
import type { TrowException } from '../trow-exception.ts'
import { domainDepth, hostKey, scopeKey } from './floor-keys.ts'

/** A set of words, or words by key: what CEL looks up instead of scanning. */
type Words = Readonly<Record<string, string>>

/** Namespaces as `NamespacePatterns` has them. */
export interface FloorNamespaces {
  readonly all: boolean
  readonly names: Words
  /** A regular expression of RE2 that matches the whole name; no name matches `^$`. */
  readonly pattern: string
}

/** A policy that judges at admission. Its lists are empty where it does not enforce. */
export interface FloorPolicy {
  /** Its place in the list, as text. */
  readonly id: string
  readonly name: string
  /** False: it warns or records, and counts only as a policy that judges. */
  readonly enforce: boolean
  /** Whether it refuses what no rule covers. */
  readonly deny: boolean
  readonly include: FloorNamespaces
  readonly exclude: FloorNamespaces
  /** By scope: the id of a requirement, or nothing. */
  readonly rules: Words
  readonly deniedScopes: Words
  readonly deniedDigests: Words
}

export interface FloorRequirement {
  readonly digest: boolean
  /** Whether it needs the content, which the floor cannot see: hosts must be in the canonical spelling. */
  readonly content: boolean
  readonly tags: Words
}

export interface FloorException {
  /** Ids of policies. */
  readonly policies: Words
  readonly overrideDeny: boolean
  readonly namespaces: FloorNamespaces
}

/**
 * Everything that the floor knows: `spec` of its one parameter object. Lists of scopes are maps by `scopeKey`, so that the
 * cost of a decision depends on the name and not on the number of rules. Their values are texts and no maps: an API server
 * of 1.37 makes JSON of the object and parses it again three times for each pod.
 */
export interface FloorParameters {
  readonly shortNames: 'docker.io' | 'deny'
  readonly noPolicy: 'allow' | 'deny'
  /** By `hostKey`, the canonical host. */
  readonly ownHosts: Words
  /** How many labels the domains of `*.` scopes have; the longest first. */
  readonly domainDepths: readonly number[]
  /** How many segments the paths of scopes have; the longest first. */
  readonly pathDepths: readonly number[]
  readonly policies: readonly FloorPolicy[]
  readonly requirements: Readonly<Record<string, FloorRequirement>>
  readonly exceptions: Readonly<Record<string, FloorException>>
  /** By scope: the ids of exceptions, separated by blanks. */
  readonly exceptedScopes: Words
  /** By digest: as well. */
  readonly exceptedDigests: Words
}

/** All policies and exceptions in force. */
export interface FloorPolicies {
  readonly policies: readonly TrowPolicy[]
  readonly exceptions: readonly TrowException[]
  readonly settings: JudgeSettings
}

/** Returns what they say of names at admission at that time (ms since 1970). */
export function floorParameters(given: FloorPolicies, now: number): FloorParameters {
  const { settings } = given
  const judging = given.policies.filter(({ modes }) => modes.admission !== 'off')
  const ids = new Map(judging.map(({ name }, place) => [name, String(place)]))
  const enforcing = judging.filter(({ modes }) => modes.admission === 'enforce')
  const live = given.exceptions.filter(
    ({ expires, policies }) => now < expires && enforcing.some(({ name }) => policies.has(name)),
  )
  const requirements = new RequirementList()
  const policies = judging.map((policy, place) => policyEntry(policy, String(place), requirements))
  const targets = enforcing.flatMap(({ rules, deny }) => [
    ...rules.map(({ scope }) => scope),
    ...deny.map(({ target }) => target),
  ])
  const scopes = [...targets, ...live.flatMap(({ images }) => images)].filter(
    (each) => typeof each !== 'string',
  )
  const exceptedScopes = new Table()
  const exceptedDigests = new Table()
  for (const [place, { images }] of live.entries())
    for (const image of images)
      if (typeof image === 'string') exceptedDigests.add(image, String(place))
      else exceptedScopes.add(scopeKey(image), String(place))
  return {
    shortNames: settings.shortNames,
    noPolicy: settings.noPolicy,
    ownHosts: Object.fromEntries([...settings.ownHosts].map((host) => [hostKey(host), host])),
    domainDepths: descending(scopes.flatMap((scope) => domainDepth(scope) ?? [])),
    pathDepths: descending(scopes.map(({ segments }) => segments.length)),
    policies,
    requirements: requirements.entries,
    exceptions: Object.fromEntries(
      live.map((exception, place) => [String(place), exceptionEntry(exception, ids)]),
    ),
    exceptedScopes: exceptedScopes.entries,
    exceptedDigests: exceptedDigests.entries,
  }
}

/** Whether there is anything that it refuses. */
export function isBinding({ policies, noPolicy }: FloorParameters): boolean {
  return noPolicy === 'deny' || policies.some(({ enforce }) => enforce)
}

/** Words by key. */
class Table {
  readonly #entries = new Map<string, string[]>()

  add(key: string, word: string): void {
    const known = this.#entries.get(key)
    if (known === undefined) this.#entries.set(key, [word])
    else known.push(word)
  }

  get entries(): Words {
    return Object.fromEntries([...this.#entries].map(([key, words]) => [key, words.join(' ')]))
  }
}

/** Requirements that are equal by name have one id. */
class RequirementList {
  readonly #known = new Map<string, { readonly id: string; readonly entry: FloorRequirement }>()

  idOf({ digest, present, platforms, maxSize, deniedTags }: Requirements): string {
    const content = present || platforms.length > 0 || maxSize !== undefined
    const entry = { digest, content, tags: wordsOf([...deniedTags].sort()) }
    const key = JSON.stringify(entry)
    const known = this.#known.get(key) ?? { id: String(this.#known.size), entry }
    this.#known.set(key, known)
    return known.id
  }

  get entries(): Readonly<Record<string, FloorRequirement>> {
    return Object.fromEntries([...this.#known.values()].map(({ id, entry }) => [id, entry]))
  }
}

function policyEntry(policy: TrowPolicy, id: string, requirements: RequirementList): FloorPolicy {
  const enforce = policy.modes.admission === 'enforce'
  const rules = enforce ? policy.rules : []
  const targets = enforce ? policy.deny.map(({ target }) => target) : []
  return {
    id,
    name: policy.name,
    enforce,
    deny: policy.default === 'deny',
    include: namespacesOf(policy.namespaces.include),
    exclude: namespacesOf(policy.namespaces.exclude),
    rules: Object.fromEntries(
      rules.map(({ scope, require }) => [
        scopeKey(scope),
        require === undefined ? '' : requirements.idOf(require),
      ]),
    ),
    deniedScopes: wordsOf(targets.flatMap((each) => (typeof each === 'string' ? [] : scopeKey(each)))),
    // No name has a digest of another algorithm.
    deniedDigests: wordsOf(
      targets.filter((each) => typeof each === 'string').filter((each) => each.startsWith('sha256:')),
    ),
  }
}

function exceptionEntry(exception: TrowException, ids: ReadonlyMap<string, string>): FloorException {
  return {
    policies: wordsOf([...exception.policies].flatMap((name) => ids.get(name) ?? [])),
    overrideDeny: exception.overrideDeny,
    namespaces: namespacesOf(exception.namespaces),
  }
}

/** The entries' characters are letters, digits, dashes and `*`, and mean themselves in RE2. */
function namespacesOf(entries: readonly string[]): FloorNamespaces {
  if (entries.includes('*')) return { all: true, names: {}, pattern: '^$' }
  const patterns = entries.filter((entry) => entry.includes('*')).map((entry) => entry.replaceAll('*', '.*'))
  return {
    all: false,
    names: wordsOf(entries.filter((entry) => !entry.includes('*'))),
    pattern: patterns.length === 0 ? '^$' : `^(?:${patterns.join('|')})$`,
  }
}

function wordsOf(keys: readonly string[]): Words {
  return Object.fromEntries(keys.map((key) => [key, '']))
}

function descending(numbers: readonly number[]): readonly number[] {
  return [...new Set(numbers)].sort((one, other) => other - one)
}
