import { z } from 'zod'
import type { KubeObject } from './cluster-objects.ts'

const slicesSchema = z.object({
  endpoints: z
    .array(
      z.object({
        addresses: z.array(z.string()).default([]),
        conditions: z.object({ serving: z.boolean().nullish(), ready: z.boolean().nullish() }).nullish(),
        targetRef: z.object({ uid: z.string().nullish() }).nullish(),
      }),
    )
    .nullish(),
})

/**
 * Which pods of a Service serve, by its EndpointSlices: their uids, sorted. Another pod may have other data, even at the same
 * address.
 */
export function servingPods(slices: Iterable<KubeObject>): readonly string[] {
  const found = new Set<string>()
  for (const slice of slices)
    for (const { addresses, conditions, targetRef } of slicesSchema.safeParse(slice).data?.endpoints ?? []) {
      // Absent conditions mean true (discovery.k8s.io/v1).
      const isServing = conditions?.serving ?? conditions?.ready ?? true
      const key = targetRef?.uid ?? addresses[0]
      if (isServing && key !== undefined) found.add(key)
    }
  return [...found].sort()
}
