import type { KubeObject } from '../cluster/cluster-objects.ts'
import { apply, referenceOf } from './apply.ts'
import type { InstallContext } from './install-context.ts'
import { waitUntil, type Outcome } from './waiting.ts'

/**
 * Makes pods of one namespace, looks until it is done, and takes them away again whatever came of it. They run as the
 * namespace's ServiceAccount `default`: the controller manager makes it a while after the namespace, and until then the
 * API server forbids every pod of it. Throws what `waitUntil` throws.
 */
export async function withPods<P extends KubeObject>(
  context: InstallContext,
  pods: readonly P[],
  what: string,
  look: () => Promise<Outcome>,
): Promise<void> {
  const { cluster } = context
  const namespace = pods[0]?.metadata.namespace
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', name: 'default', namespace }
  await waitUntil(context, what, async () =>
    (await cluster.get(account)) === undefined
      ? { done: false, reasons: [{ text: `namespace ${namespace} has no ServiceAccount default yet` }] }
      : { done: true },
  )
  try {
    await Promise.all(pods.map((pod) => apply(context, pod)))
    await waitUntil(context, what, look)
  } finally {
    await Promise.allSettled(pods.map((pod) => cluster.delete(referenceOf(pod))))
  }
}
