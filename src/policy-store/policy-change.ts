import { objectKey, type GoodUnit, type JudgedUnit, type PolicyObject } from './unit-book.ts'

/** A change of one policy or exception, for the audit. */
export interface PolicyChange {
  readonly kind: 'created' | 'changed' | 'deleted' | 'rejected'
  /** For example `TrowPolicy/production`; for a rejected unit, which may contain no name, the unit's name. */
  readonly object: string
  readonly unit: string
  readonly hash: string | undefined
  readonly before: string | undefined
  /** The author of the change, as far as the source knows. */
  readonly changedBy: string | undefined
  readonly changedAt: number | undefined
  /** The reason of a rejection. */
  readonly problem: string | undefined
}

interface Owned {
  readonly object: PolicyObject
  readonly unit: GoodUnit
}

/** Returns the changes from one set to another. */
export function changesBetween(
  before: readonly GoodUnit[],
  after: readonly GoodUnit[],
): readonly PolicyChange[] {
  const [old, now] = [byKey(before), byKey(after)]
  const made = [...now].flatMap(([key, { object, unit }]): PolicyChange[] => {
    const known = old.get(key)
    if (known?.object.hash === object.hash) return []
    const { changedBy, changedAt } = unit
    return [
      {
        kind: known === undefined ? 'created' : 'changed',
        object: key,
        unit: unit.name,
        changedBy,
        changedAt,
        hash: object.hash,
        before: known?.object.hash,
        problem: undefined,
      },
    ]
  })
  const gone = [...old].flatMap(([key, { object, unit }]): PolicyChange[] => {
    if (now.has(key)) return []
    const nobody = { hash: undefined, changedBy: undefined, changedAt: undefined, problem: undefined }
    return [{ kind: 'deleted', object: key, unit: unit.name, before: object.hash, ...nobody }]
  })
  return [...made, ...gone]
}

function byKey(units: readonly GoodUnit[]): ReadonlyMap<string, Owned> {
  return new Map(units.flatMap((unit) => unit.objects.map((object) => [objectKey(object), { object, unit }])))
}

/**
 * Returns a rejection for each broken unit that was not reported with these problems yet, and marks it as
 * reported.
 */
export function rejections(
  units: readonly (JudgedUnit & Pick<GoodUnit, 'changedBy' | 'changedAt'>)[],
  told: Map<string, string>,
): readonly PolicyChange[] {
  return units.flatMap(({ name, problems, changedBy, changedAt }): PolicyChange[] => {
    const [first] = problems
    const text = problems.map(({ message }) => message).join('\n')
    if (first === undefined || told.get(name) === text) {
      if (first === undefined) told.delete(name)
      return []
    }
    told.set(name, text)
    const at = first.place === undefined ? '' : `:${first.place.line}:${first.place.column}`
    const more = problems.length === 1 ? '' : `, and ${problems.length - 1} more`
    const problem = `${name}${at}: ${first.message}${more}`
    return [
      {
        kind: 'rejected',
        object: name,
        unit: name,
        hash: undefined,
        before: undefined,
        changedBy,
        changedAt,
        problem,
      },
    ]
  })
}
