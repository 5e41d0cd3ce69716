import { openCluster } from '../../src/cli/cluster/cluster-options.ts'
import type { KubeChange } from '../../src/cluster/cluster-objects.ts'

/** Milliseconds in which the Service `trow` had no endpoint that serves, at a stretch, until the signal. */
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
    const { object, kind } = change
    const endpoints = (object['endpoints'] ?? []) as { conditions?: { serving?: boolean } }[]
    const serves = endpoints.some(({ conditions }) => conditions?.serving !== false)
    serving.set(object.metadata.name, kind === 'present' && serves)
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
