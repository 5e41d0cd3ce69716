import { loadPolicyDocuments } from '../policy/policy-documents.ts'
import type { ExceptionSettings, TrowException } from '../policy/trow-exception.ts'
import type { TrowPolicy } from '../policy/trow-policy.ts'
import { placedProblem } from './load-files.ts'
import { hashOf } from './object-hash.ts'
import type { SourceUnit, UnitProblem } from './policy-source.ts'

/** A policy or an exception, with a hash that changes when its spec does. */
export type PolicyObject =
  | { readonly kind: 'TrowPolicy'; readonly hash: string; readonly value: TrowPolicy }
  | { readonly kind: 'TrowException'; readonly hash: string; readonly value: TrowException }

/** A unit that was read and loaded without problems. */
export interface GoodUnit {
  readonly name: string
  readonly version: string
  readonly changedBy: string | undefined
  readonly changedAt: number | undefined
  /** The documents as read, for storage on disk. */
  readonly documents: readonly unknown[]
  readonly objects: readonly PolicyObject[]
}

export interface JudgedUnit {
  readonly name: string
  readonly version: string
  readonly problems: readonly UnitProblem[]
  /** The version in force: the present one, or the last good one. */
  readonly good: GoodUnit | undefined
}

/** For example `TrowPolicy/production`. */
export function objectKey({ kind, value }: PolicyObject): string {
  return `${kind}/${value.name}`
}

interface LoadedUnit {
  readonly unit: SourceUnit
  readonly fresh: GoodUnit | undefined
  readonly problems: readonly UnitProblem[]
}

/** Tracks which units of a source are good, and the last good version of each. */
export class UnitBook {
  readonly #settings: () => ExceptionSettings
  #good: ReadonlyMap<string, GoodUnit>
  #loaded: ReadonlyMap<string, LoadedUnit> = new Map()

  /** `good`: the units that were in force before. `settings` is called for every load. */
  constructor(settings: () => ExceptionSettings, good: readonly GoodUnit[] = []) {
    this.#settings = settings
    this.#good = new Map(good.map((unit) => [unit.name, unit]))
  }

  /** What is in force. */
  get good(): readonly GoodUnit[] {
    return [...this.#good.values()]
  }

  /**
   * Takes the units of a source. A broken unit keeps its last good version; a unit that no longer exists is
   * removed.
   */
  take(units: readonly SourceUnit[]): readonly JudgedUnit[] {
    const settings = this.#settings()
    this.#loaded = new Map(units.map((unit) => [unit.name, this.#load(unit, settings)]))
    const problems = new Map(
      [...this.#loaded.values()].map(({ unit, problems }) => [unit.name, [...problems]]),
    )
    let good = this.#choose(problems)
    for (let clash = this.#clash(good, problems); clash; clash = this.#clash(good, problems))
      good = this.#choose(problems)
    this.#good = good
    return units.map(({ name, version }) => ({
      name,
      version,
      problems: problems.get(name) ?? [],
      good: good.get(name),
    }))
  }

  #load(unit: SourceUnit, settings: ExceptionSettings): LoadedUnit {
    const known = this.#loaded.get(unit.name)
    if (known?.unit.version === unit.version) return { ...known, unit }
    const documents = unit.documents.map(({ value }) => value)
    const { problems, objects } = loadObjects(documents, settings)
    const all = [
      ...unit.problems,
      ...problems.flatMap((problem) => {
        const document = unit.documents[problem.document]
        return document === undefined ? [] : [placedProblem(document, problem)]
      }),
    ]
    const { name, version, changedBy, changedAt } = unit
    const fresh = { name, version, changedBy, changedAt, documents, objects }
    return { unit, problems: all, fresh: all.length === 0 ? fresh : undefined }
  }

  #choose(problems: ReadonlyMap<string, readonly UnitProblem[]>): ReadonlyMap<string, GoodUnit> {
    const chosen = new Map<string, GoodUnit>()
    for (const [name, { fresh }] of this.#loaded) {
      const good = problems.get(name)?.length === 0 ? fresh : this.#good.get(name)
      if (good !== undefined) chosen.set(name, good)
    }
    return chosen
  }

  /**
   * Returns whether two units contain an object of the same kind and name; one of them then counts as broken
   * and gets an entry in `problems`. The unit that had the name before keeps it, otherwise the first unit: a
   * new unit never displaces what is in force.
   */
  #clash(good: ReadonlyMap<string, GoodUnit>, problems: Map<string, UnitProblem[]>): boolean {
    const owners = new Map<string, string>()
    for (const [unit, { objects }] of good)
      for (const object of objects) {
        const key = objectKey(object)
        const other = owners.get(key)
        if (other === undefined) {
          owners.set(key, unit)
          continue
        }
        const isHeld = problems.get(unit)?.length !== 0 || this.#has(unit, key)
        const [loser, owner] = isHeld ? [other, unit] : [unit, other]
        const found = this.#loaded.get(loser)?.unit
        if (found === undefined) continue
        const message = `metadata.name: there is another one named ${object.value.name}, in ${owner}`
        problems.get(loser)?.push({ place: placeOfName(found, object), message })
        return true
      }
    return false
  }

  #has(unit: string, key: string): boolean {
    return this.#good.get(unit)?.objects.some((object) => objectKey(object) === key) ?? false
  }
}

function placeOfName(unit: SourceUnit, { kind, value }: PolicyObject): UnitProblem['place'] {
  const document = unit.documents.find((each) => {
    const given = each.value as { readonly kind?: unknown; readonly metadata?: { readonly name?: unknown } }
    return given.kind === kind && given.metadata?.name === value.name
  })
  return document?.placeOf(['metadata', 'name'])
}

/** Loads the policies and exceptions of documents, or returns the problems that prevent it. */
export function loadObjects(
  documents: readonly unknown[],
  settings: ExceptionSettings,
): {
  readonly objects: readonly PolicyObject[]
  readonly problems: ReturnType<typeof loadPolicyDocuments>['problems']
} {
  const { policies, exceptions, problems } = loadPolicyDocuments(documents, settings)
  if (problems.length > 0) return { objects: [], problems }
  const specs = documents as readonly {
    readonly kind: string
    readonly metadata: { readonly name: string }
    readonly spec: unknown
  }[]
  const hashes = new Map(specs.map(({ kind, metadata, spec }) => [`${kind}/${metadata.name}`, hashOf(spec)]))
  const objects: PolicyObject[] = [
    ...policies.map((value) => ({
      kind: 'TrowPolicy' as const,
      hash: hashes.get(`TrowPolicy/${value.name}`) ?? '',
      value,
    })),
    ...exceptions.map((value) => ({
      kind: 'TrowException' as const,
      hash: hashes.get(`TrowException/${value.name}`) ?? '',
      value,
    })),
  ]
  return { objects, problems }
}
