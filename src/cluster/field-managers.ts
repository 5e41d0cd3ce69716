import { z } from 'zod'
import type { KubeObject } from './cluster-objects.ts'

const managedFields = z.array(
  z.object({
    manager: z.string(),
    time: z.string().optional(),
    fieldsV1: z.record(z.string(), z.unknown()).optional(),
  }),
)

/** A field manager, and what it owns below one field of an object (`metadata.managedFields`). */
export interface ManagedField {
  readonly manager: string
  /** Milliseconds since 1970. */
  readonly time: number
  /** FieldsV1 below that field. */
  readonly fields: unknown
}

/** Who owns something below a field, `webhooks`, and is none of `own`; the last first. */
export function foreignManagers(
  object: KubeObject,
  field: string,
  own: readonly string[],
): readonly ManagedField[] {
  const entries = managedFields.safeParse(object.metadata['managedFields']).data ?? []
  return entries
    .flatMap(({ manager, time = '', fieldsV1 = {} }): readonly ManagedField[] => {
      const at = Date.parse(time)
      const fields = fieldsV1[`f:${field}`]
      return own.includes(manager) || fields === undefined || Number.isNaN(at)
        ? []
        : [{ manager, time: at, fields }]
    })
    .sort((one, other) => other.time - one.time)
}

/** Who has last written a part of the spec that is theirs still, and is none of `own`. */
export function lastForeignSpec(object: KubeObject, own: readonly string[]): ManagedField | undefined {
  return foreignManagers(object, 'spec', own)[0]
}
