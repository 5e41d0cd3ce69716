import { openCluster } from '../../src/cli/cluster/cluster-options.ts'
import type { KubeChange, KubeObject } from '../../src/cluster/cluster-objects.ts'

/** Returns the longest time, in milliseconds, during which the Service `trow` had no serving endpoint. Ends at the signal. */
export async function longestGap(
  { kubeconfig, home }: { readonly kubeconfig: string; readonly home: string },
  signal: AbortSignal,
): Promise<number> {
  const terminal = { env: { HOME: home }, cwd: home, stdin: process.stdin }
  const { objects } = await openCluster({ kubeconfig }, terminal as never)
  const selection = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    namespace: 'trow',
    labelSelector: 'kubernetes.io/service-name=trow',
  }
  const serving = new Map<string, boolean>()
  let [since, longest] = [0, 0]
  const onChange = (change: KubeChange): void => {
    if (change.kind === 'synced') return
    serving.set(change.object.metadata.name, change.kind === 'present' && isServing(change.object))
    const now = performance.now()
    if (![...serving.values()].includes(true)) since ||= now
    else {
      if (since > 0) longest = Math.max(longest, now - since)
      since = 0
    }
  }
  await objects.watch(selection, { onChange }, signal)
  await objects.close()
  return longest
}

function isServing(slice: KubeObject): boolean {
  const endpoints = (slice['endpoints'] ?? []) as { conditions?: { serving?: boolean } }[]
  return endpoints.some(({ conditions }) => conditions?.serving !== false)
}
