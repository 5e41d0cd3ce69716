import { counted } from '../counted.ts'
import type { z } from 'zod'
import type { Digest } from '../oci/digest.ts'
import { documentLimits, policySchema, type Mode } from './document-schema.ts'
import { ownRegistry } from './image-reference.ts'
import { parseShape, refused, type Loaded, type LoadProblem } from './load-problem.ts'
import { parseScope, type Scope } from './scope.ts'
import { parseSize } from './size.ts'

/** The points at which an image is judged. */
export const points = ['admission', 'pull', 'push', 'scan'] as const
export type Point = (typeof points)[number]

/** A rule's requirements. Undefined or empty: no requirement. */
export interface Requirements {
  /** The name must have a digest. */
  readonly digest: boolean
  /** The registry must have the image. */
  readonly present: boolean
  readonly deniedTags: ReadonlySet<string>
  readonly platforms: readonly string[]
  /** Bytes of the image with everything that it consists of. */
  readonly maxSize: number | undefined
}

export interface DenyEntry {
  readonly target: Scope | Digest
  readonly reason: string
  readonly fix: string | undefined
}

export interface Rule {
  readonly scope: Scope
  /** Undefined: the name alone is sufficient. */
  readonly require: Requirements | undefined
}

/** A valid TrowPolicy, as plain data that threads can exchange. */
export interface TrowPolicy {
  readonly name: string
  readonly modes: Readonly<Record<Point, Mode>>
  /** Names of namespaces, or patterns with `*` (`NamespacePatterns`). */
  readonly namespaces: { readonly include: readonly string[]; readonly exclude: readonly string[] }
  readonly default: 'deny' | 'pass'
  readonly onError: 'deny' | 'allow'
  readonly deny: readonly DenyEntry[]
  readonly rules: readonly Rule[]
}

/** Shared by all rules that have none: lists are long. */
const noTags: ReadonlySet<string> = new Set()
const noPlatforms: readonly string[] = []

type Spec = z.infer<typeof policySchema>['spec']

/** Parses any value from JSON or YAML. `ownHosts`: canonical hosts of this registry. Never throws. */
export function parseTrowPolicy(value: unknown, ownHosts: ReadonlySet<string>): Loaded<TrowPolicy> {
  const shape = parseShape(value, policySchema)
  if (shape.kind === 'refused') return shape
  const { metadata, spec } = shape.value
  const problems: LoadProblem[] = []
  const deny = denyEntries(spec, ownHosts, problems)
  const rules = rulesOf(spec, ownHosts, problems)
  problems.push(...pointProblems(spec), ...limitProblems(spec))
  if (problems.length > 0) return refused(problems)
  return {
    kind: 'loaded',
    value: {
      name: metadata.name,
      modes: modesOf(spec),
      namespaces: {
        include: spec.namespaces?.include ?? ['*'],
        exclude: spec.namespaces?.exclude ?? [],
      },
      default: spec.default,
      onError: spec.onError ?? 'deny',
      deny,
      rules,
    },
  }
}

/** At push and pull no namespace is known, so a policy for some namespaces cannot apply there. */
function modesOf(spec: Spec): Readonly<Record<Point, Mode>> {
  const { mode, at = {} } = spec
  const registry = isLimited(spec) ? 'off' : mode
  return {
    admission: at.admission ?? mode,
    pull: at.pull ?? registry,
    push: at.push ?? registry,
    scan: at.scan ?? mode,
  }
}

function isLimited({ namespaces }: Spec): boolean {
  return namespaces?.exclude !== undefined || !(namespaces?.include ?? ['*']).includes('*')
}

function pointProblems(spec: Spec): LoadProblem[] {
  if (!isLimited(spec)) return []
  return (['pull', 'push'] as const)
    .filter((point) => (spec.at?.[point] ?? 'off') !== 'off')
    .map((point) => ({
      path: ['spec', 'at', point],
      message: `has no effect in a policy with namespaces, which are not known at ${point}: leave it out, or make a policy for all namespaces`,
    }))
}

function denyEntries(spec: Spec, ownHosts: ReadonlySet<string>, problems: LoadProblem[]): DenyEntry[] {
  const places = new Places('deny', problems)
  return (spec.deny ?? []).flatMap(({ scope, digest, reason, fix }, place) => {
    const target = digest === undefined ? parseScope(scope ?? '', ownHosts) : (digest as Digest)
    const field = digest === undefined ? 'scope' : 'digest'
    if (typeof target !== 'string' && target.kind === 'problem') {
      places.refuse(place, field, `${target.code}: ${target.message}`)
      return []
    }
    places.claim(place, field, typeof target === 'string' ? target : target.text)
    return { target, reason, fix }
  })
}

function rulesOf(spec: Spec, ownHosts: ReadonlySet<string>, problems: LoadProblem[]): Rule[] {
  const places = new Places('rules', problems)
  return (spec.rules ?? []).flatMap(({ scope: text, require }, place) => {
    const scope = parseScope(text, ownHosts)
    if (scope.kind === 'problem') {
      places.refuse(place, 'scope', `${scope.code}: ${scope.message}`)
      return []
    }
    places.claim(place, 'scope', scope.text)
    if (scope.host !== ownRegistry)
      for (const field of ['present', 'platforms', 'maxSize'] as const)
        if (require?.[field] !== undefined)
          places.refuse(
            place,
            `require.${field}`,
            `needs to see the content, and trow sees that of ${ownRegistry} alone: leave it out, or give the rule such a scope`,
          )
    return {
      scope,
      require:
        require === undefined
          ? undefined
          : {
              digest: require.digest ?? false,
              present: require.present ?? false,
              deniedTags: require.tags?.deny === undefined ? noTags : new Set(require.tags.deny),
              platforms: require.platforms ?? noPlatforms,
              maxSize: require.maxSize === undefined ? undefined : parseSize(require.maxSize),
            },
    }
  })
}

function limitProblems(spec: Spec): LoadProblem[] {
  const problems: LoadProblem[] = []
  const digests = (spec.deny ?? []).filter(({ digest }) => digest !== undefined).length
  const scopes = (spec.deny ?? []).length - digests
  for (const [count, limit, what] of [
    [digests, documentLimits.deniedDigests, 'digests'],
    [scopes, documentLimits.deniedScopes, 'scopes'],
  ] as const)
    if (count > limit)
      problems.push({ path: ['spec', 'deny'], message: `has ${count} ${what}, and may have ${limit}` })
  const bytes = new TextEncoder().encode(JSON.stringify(spec)).length
  if (bytes > documentLimits.bytes)
    problems.push({
      path: ['spec'],
      message: `has ${counted(bytes, 'byte')} as JSON, and may have ${documentLimits.bytes}`,
    })
  return problems
}

/** The entries of a list; no two entries may have the same target. */
class Places {
  readonly #list: string
  readonly #problems: LoadProblem[]
  readonly #claimed = new Map<string, number>()

  constructor(list: string, problems: LoadProblem[]) {
    this.#list = list
    this.#problems = problems
  }

  claim(place: number, field: string, text: string): void {
    const before = this.#claimed.get(text)
    if (before === undefined) this.#claimed.set(text, place)
    else this.refuse(place, field, `stands in spec.${this.#list}[${before}] already`)
  }

  refuse(place: number, field: string, message: string): void {
    this.#problems.push({ path: ['spec', this.#list, place, ...field.split('.')], message })
  }
}
