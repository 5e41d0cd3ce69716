import { loadPolicyDocuments } from '../policy/policy-documents.ts'
import type { ExceptionSettings, TrowException } from '../policy/trow-exception.ts'
import type { TrowPolicy } from '../policy/trow-policy.ts'
import { placedProblem } from './load-files.ts'
import { hashOf } from './object-hash.ts'
import type { SourceUnit, UnitProblem } from './policy-source.ts'

/** A policy or an exception, with what tells it from others and from itself before a change. */
export type PolicyObject =
  | { readonly kind: 'TrowPolicy'; readonly hash: string; readonly value: TrowPolicy }
  | { readonly kind: 'TrowException'; readonly hash: string; readonly value: TrowException }

/** A unit that was read and loaded as a whole, at some time. */
export interface GoodUnit {
  readonly name: string
  readonly version: string
  readonly changedBy: string | undefined
  readonly changedAt: number | undefined
  /** As they were read: what is kept on disk. */
  readonly documents: readonly unknown[]
  readonly objects: readonly PolicyObject[]
}

export interface JudgedUnit {
  readonly name: string
  readonly version: string
  readonly problems: readonly UnitProblem[]
  /** What of it is in force: as it is, or as it was last good. */
  readonly good: GoodUnit | undefined
}

/** `TrowPolicy/production`. */
export function objectKey({ kind, value }: PolicyObject): string {
  return `${kind}/${value.name}`
}

interface Loaded {
  readonly unit: SourceUnit
  readonly fresh: GoodUnit | undefined
  readonly problems: readonly UnitProblem[]
}

/** What of the units of a source is good, and what each was when it was last good. */
export class UnitBook {
  readonly #settings: () => ExceptionSettings
  #good: ReadonlyMap<string, GoodUnit>
  #loaded: ReadonlyMap<string, Loaded> = new Map()

  /** `good`: what was in force before. `settings` are asked for whenever a unit is loaded. */
  constructor(settings: () => ExceptionSettings, good: readonly GoodUnit[] = []) {
    this.#settings = settings
    this.#good = new Map(good.map((unit) => [unit.name, unit]))
  }

  /** What is in force. */
  get good(): readonly GoodUnit[] {
    return [...this.#good.values()]
  }

  /** Takes what is good of a source's units. A broken one stays as it was last good; one that is gone is gone. */
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

  #load(unit: SourceUnit, settings: ExceptionSettings): Loaded {
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
   * Whether two units have an object of one name: then one of them is broken, which is told to `problems`. The unit that has
   * had the name stays, else the first: what was in force is never taken away by what comes.
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

/** The policies and exceptions of documents, or what keeps them from being loaded. */
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
