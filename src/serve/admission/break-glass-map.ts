import { z } from 'zod'
import type { KubeObject } from '../../cluster/cluster-objects.ts'

/** The ConfigMap of break-glass. */
export interface BreakGlassMap {
  readonly namespace: string
  readonly name: string
  /** Undefined: it opens nothing, or no longer. `now`: ms since 1970. */
  readonly read: (
    data: Readonly<Record<string, string>> | undefined,
    now: number,
  ) => { readonly until: number } | undefined
}

const dataSchema = z.record(z.string(), z.string())

/** Undefined: there is no ConfigMap. */
export function breakGlassData(object: KubeObject | undefined): Readonly<Record<string, string>> | undefined {
  return object === undefined ? undefined : (dataSchema.safeParse(object['data']).data ?? {})
}
