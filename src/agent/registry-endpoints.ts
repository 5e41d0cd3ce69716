import { z } from 'zod'
import type { KubeObject } from '../cluster/cluster-objects.ts'

/** One pod of the registry. */
export interface RegistryEndpoint {
  readonly host: string
  readonly port: number
  /**
   * It has answered its last probe; otherwise it is starting, or gone. One that is starting may listen before
   * the cluster reports it.
   */
  readonly serving: boolean
  /** It serves and is not terminating. */
  readonly ready: boolean
  readonly node: string | undefined
}

const sliceSchema = z.object({
  ports: z
    .array(
      z.object({ name: z.string().nullish(), port: z.number().nullish(), protocol: z.string().nullish() }),
    )
    .nullish(),
  endpoints: z
    .array(
      z.object({
        addresses: z.array(z.string()),
        nodeName: z.string().nullish(),
        conditions: z.object({ ready: z.boolean().nullish(), serving: z.boolean().nullish() }).nullish(),
      }),
    )
    .nullish(),
})

/**
 * The pods of a Service from its EndpointSlices (discovery.k8s.io/v1), including those that do not serve yet.
 * Of several ports the one named `https`. Sorted by address, so that equal pods give equal lists.
 */
export function endpointsOf(slices: Iterable<KubeObject>): readonly RegistryEndpoint[] {
  const found = new Map<string, RegistryEndpoint>()
  for (const slice of slices) {
    const parsed = sliceSchema.safeParse(slice)
    if (!parsed.success) continue
    const ports = (parsed.data.ports ?? []).filter(({ protocol }) => (protocol ?? 'TCP') === 'TCP')
    const port = (ports.find(({ name }) => name === 'https') ?? ports[0])?.port
    if (port === null || port === undefined) continue
    for (const { addresses, nodeName, conditions } of parsed.data.endpoints ?? []) {
      // Absent conditions mean true; `serving` is `ready` without regard to termination.
      const ready = conditions?.ready ?? true
      const serving = conditions?.serving ?? ready
      const host = addresses[0]
      if (host === undefined || found.get(`${host} ${port}`)?.serving === true) continue
      found.set(`${host} ${port}`, { host, port, serving, ready, node: nodeName ?? undefined })
    }
  }
  return [...found.values()].sort((one, other) => (one.host < other.host ? -1 : 1))
}
