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
 * The uids of the pods that serve a Service, from its EndpointSlices, sorted. Addresses are not enough: another pod
 * with the same address may have other data.
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
