import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'
import type { ClusterObjects, KubeObject, KubeReference } from '../cluster/cluster-objects.ts'
import { layoutOf, names } from '../cluster/layout.ts'
import { nodeSettingsSchema } from '../cluster/node-settings.ts'
import { podsOf } from './agent-watch.ts'

/** Where the agents' orders are. */
function ordersReference(namespace: string): KubeReference {
  return { apiVersion: 'v1', kind: 'ConfigMap', name: names.orders, namespace }
}

/** Where agents of the release before look for them, and where agents may write. */
function referenceOfBefore(namespace: string): KubeReference {
  const { nodeNamespace } = layoutOf(namespace)
  return { apiVersion: 'v1', kind: 'ConfigMap', name: names.agent, namespace: nodeNamespace }
}

/** Undefined: no agent of the release before is left. */
export function ordersOfBefore(cluster: ClusterObjects, namespace: string): Promise<KubeObject | undefined> {
  return cluster.get(referenceOfBefore(namespace))
}

/** All orders that an agent may follow: none, those of now, and while an upgrade is not done those of before. */
export async function everyOrders(
  cluster: ClusterObjects,
  namespace: string,
): Promise<{ readonly reference: KubeReference; readonly settings: object }[]> {
  const references = [ordersReference(namespace), referenceOfBefore(namespace)]
  const maps = await Promise.all(references.map((reference) => cluster.get(reference)))
  return references.flatMap((reference, index) => {
    const settings = settingsIn(maps[index])
    return settings === undefined ? [] : [{ reference, settings }]
  })
}

/** Undefined where there is nothing that an agent could follow. Fields of other versions of trow stay. */
function settingsIn(map: KubeObject | undefined): object | undefined {
  const { 'settings.json': text } = (map?.['data'] ?? {}) as Readonly<Record<string, unknown>>
  return typeof text === 'string' ? tryForeignJson(text, z.looseObject({})) : undefined
}

/** What agents were told to pull last; undefined where they were told nothing. */
export async function toldCanary(cluster: ClusterObjects, namespace: string): Promise<string | undefined> {
  const map = (await cluster.get(ordersReference(namespace))) ?? (await ordersOfBefore(cluster, namespace))
  const text = (map?.['data'] as Record<string, string> | undefined)?.['settings.json']
  return tryForeignJson(text, nodeSettingsSchema)?.canary
}

/** Once no pod is left that reads them: one on a node that is away reads them when it is back. */
export async function removeOrdersOfBefore(cluster: ClusterObjects, namespace: string): Promise<void> {
  const { nodeNamespace } = layoutOf(namespace)
  if ((await ordersOfBefore(cluster, namespace)) === undefined) return
  const pods = await cluster.list(podsOf('node', nodeNamespace))
  if (pods.every(readsOrdersOfNow)) await cluster.delete(referenceOfBefore(namespace))
}

const podSchema = z.object({
  spec: z.object({ containers: z.array(z.object({ args: z.array(z.string()).optional() })) }),
})

/** Agents have been told their hosts by argument since they read orders where they cannot write. */
function readsOrdersOfNow(pod: KubeObject): boolean {
  const parsed = podSchema.safeParse(pod)
  return parsed.success && parsed.data.spec.containers.some(({ args }) => args?.includes('--image-host'))
}
