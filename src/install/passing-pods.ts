import { ClusterFault } from '../cluster/cluster-fault.ts'
import type { KubeObject } from '../cluster/cluster-objects.ts'
import { apply, referenceOf } from './apply.ts'
import type { InstallContext } from './install-context.ts'
import { exitCode, UserError } from '../user-error.ts'
import { waitUntil, type WaitOutcome } from './waiting.ts'
import { whoRefuses } from './ways-to-bring.ts'

/**
 * Creates pods in one namespace, waits until `look` reports done, and deletes them in every case. They run
 * with the namespace's ServiceAccount `default`, which the controller manager creates shortly after the
 * namespace; until then the API server forbids every pod. Throws what `waitUntil` throws.
 */
export async function withPods<P extends KubeObject>(
  context: InstallContext,
  pods: readonly P[],
  what: string,
  look: () => Promise<WaitOutcome>,
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
    await Promise.all(pods.map((pod) => applyPod(context, pod)))
    await waitUntil(context, what, look)
  } finally {
    await Promise.allSettled(pods.map((pod) => cluster.delete(referenceOf(pod))))
  }
}

/**
 * A user who may create pods and still gets 403 has met a quota, a LimitRange or an admission policy; other
 * rights would not help.
 */
async function applyPod(context: InstallContext, pod: KubeObject): Promise<void> {
  try {
    await apply(context, pod)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const { cause, message } = error
    const { namespace } = pod.metadata
    const isForbidden = cause instanceof ClusterFault && cause.kind === 'forbidden'
    const right = { verb: 'create', group: '', resource: 'pods', namespace }
    if (!isForbidden || !(await context.cluster.may(right))) throw error
    throw new UserError('PODS_REFUSED', message, {
      hint: whoRefuses(namespace),
      exitCode: exitCode.problemsFound,
      cause: error,
    })
  }
}
