import type { KubeObject, KubeReference } from '../cluster/cluster-objects.ts'
import { reasonOf } from '../reason-of.ts'
import { explained, isPassing, nameOf } from './cluster-error.ts'
import type { InstallContext } from './install-context.ts'

export function referenceOf({ apiVersion, kind, metadata }: KubeObject): KubeReference {
  return { apiVersion, kind, name: metadata.name, namespace: metadata.namespace }
}

/**
 * Applies all objects concurrently. Throws UserError APPLY_CONFLICT, CLUSTER_UNREACHABLE,
 * CLUSTER_NOT_PERMITTED, CLUSTER_REFUSED.
 */
export async function applyAll(
  context: InstallContext,
  objects: readonly KubeObject[],
): Promise<KubeObject[]> {
  const done = await Promise.allSettled(objects.map((object) => apply(context, object)))
  const failure = done.find(({ status }) => status === 'rejected')
  if (failure?.status === 'rejected') throw failure.reason
  return done.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
}

export async function apply(context: InstallContext, object: KubeObject): Promise<KubeObject> {
  const { cluster, forceConflicts } = context
  return asked(context, nameOf(referenceOf(object)), () => cluster.apply(object, { force: forceConflicts }))
}

/**
 * Retries while the API server is unreachable or busy, until the install's deadline. `call` must be safe to
 * repeat.
 */
export async function asked<T>(context: InstallContext, what: string, call: () => Promise<T>): Promise<T> {
  const { now, sleep, signal, deadline, progress } = context
  for (;;) {
    signal.throwIfAborted()
    try {
      return await call()
    } catch (error) {
      if (!isPassing(error) || now() > deadline) throw explained(error, what)
      progress.state([{ text: reasonOf(error) }])
      await sleep(1000)
    }
  }
}
