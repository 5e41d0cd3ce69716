import { objectKey, type GoodUnit, type JudgedUnit, type PolicyObject } from './unit-book.ts'

/** What has become of one policy or exception, for the audit. */
export interface PolicyChange {
  readonly kind: 'created' | 'changed' | 'deleted' | 'rejected'
  /** `TrowPolicy/production`; of what was rejected, which may have no name, the unit. */
  readonly object: string
  readonly unit: string
  readonly hash: string | undefined
  readonly before: string | undefined
  /** Who, as far as the source knows. */
  readonly changedBy: string | undefined
  readonly changedAt: number | undefined
  /** Why it was rejected. */
  readonly problem: string | undefined
}

interface Owned {
  readonly object: PolicyObject
  readonly unit: GoodUnit
}

/** From one set to another. */
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

/** Of units that are broken in a way that `told` does not have yet; takes them into it. */
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
