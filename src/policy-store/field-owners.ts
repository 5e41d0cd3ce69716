import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import type { KubeObject } from '../cluster/cluster-objects.ts'

/** meta/v1 ManagedFieldsEntry; one that looks different says nothing. */
const managedFields = z.array(
  z.object({
    manager: z.string(),
    operation: z.string().optional(),
    time: z.string().optional(),
    subresource: z.string().optional(),
    fieldsV1: z.record(z.string(), z.unknown()).optional(),
  }),
)

/** Entry of `metadata.managedFields` that has something of the spec. */
export interface SpecManager {
  readonly manager: string
  readonly operation: string | undefined
  /** Milliseconds since 1970. */
  readonly time: number | undefined
  /** FieldsV1 below `f:spec`. */
  readonly fields: unknown
}

/** Who has written the spec. */
export function specManagers({ metadata }: KubeObject): readonly SpecManager[] {
  return (managedFields.safeParse(metadata['managedFields']).data ?? []).flatMap((entry) => {
    const { manager, operation, subresource = '', fieldsV1 = {} } = entry
    if (subresource !== '' || !('f:spec' in fieldsV1)) return []
    const time = Date.parse(entry.time ?? '')
    return [{ manager, operation, time: Number.isNaN(time) ? undefined : time, fields: fieldsV1['f:spec'] }]
  })
}

export interface FieldOwner {
  readonly owner: string
  /** `.spec.at.pull`. */
  readonly field: string
  /** Below the spec: `at`, `pull`. */
  readonly path: readonly string[]
}

/** The fields of the spec, with who has them. */
export function fieldOwners(object: KubeObject): readonly FieldOwner[] {
  return specManagers(object).flatMap(({ manager, fields }) =>
    leaves(fields).map((path) => ({ owner: manager, field: ['.spec', ...path].join('.'), path })),
  )
}

/**
 * What of a spec has to be applied so that the object has it: what differs from what is there, and what the manager has already,
 * which it would else give up.
 */
export function changedFields({
  before,
  spec,
  manager,
}: {
  readonly before: KubeObject
  readonly spec: unknown
  readonly manager: string
}): unknown {
  const own = specManagers(before).find((each) => each.manager === manager && each.operation === 'Apply')
  return changed(before['spec'], spec, own?.fields) ?? {}
}

function changed(before: unknown, after: unknown, own: unknown): unknown {
  if (isDeepStrictEqual(before, after) && own === undefined) return undefined
  // Lists are replaced as a whole.
  if (!isRecord(before) || !isRecord(after)) return after
  const fields = Object.entries(after).flatMap(([name, value]) => {
    const kept = changed(before[name], value, isRecord(own) ? own[`f:${name}`] : undefined)
    return kept === undefined ? [] : [[name, kept] as const]
  })
  return Object.fromEntries(fields)
}

/** Paths in FieldsV1 (structured-merge-diff): names begin with `f:`, `.` is the object itself. */
function leaves(fields: unknown, path: readonly string[] = []): (readonly string[])[] {
  const inner = isRecord(fields) ? Object.entries(fields).filter(([name]) => name.startsWith('f:')) : []
  if (inner.length === 0) return [path]
  return inner.flatMap(([name, each]) => leaves(each, [...path, name.slice(2)]))
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
