import { dataOf } from '../cluster/config-data.ts'
import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'
import type { ClusterObjects, KubeObject, KubeReference } from '../cluster/cluster-objects.ts'
import { layoutOf, names } from '../cluster/layout.ts'
import { nodeSettingsSchema } from '../cluster/node-settings.ts'
import { podsOf } from './agent-watch.ts'

/** The ConfigMap of the agents' settings. */
function desiredStateReference(namespace: string): KubeReference {
  return { apiVersion: 'v1', kind: 'ConfigMap', name: names.desiredState, namespace }
}

/** The ConfigMap that agents of the earlier release read, in a namespace in which agents may write. */
function referenceOfBefore(namespace: string): KubeReference {
  const { nodeNamespace } = layoutOf(namespace)
  return { apiVersion: 'v1', kind: 'ConfigMap', name: names.agent, namespace: nodeNamespace }
}

/** Returns `undefined` if no agent of the earlier release is left. */
export function oldDesiredState(cluster: ClusterObjects, namespace: string): Promise<KubeObject | undefined> {
  return cluster.get(referenceOfBefore(namespace))
}

/**
 * Returns all settings that an agent may follow: none, the current ones, and during an upgrade those for the
 * earlier release.
 */
export async function allDesiredStates(
  cluster: ClusterObjects,
  namespace: string,
): Promise<{ readonly reference: KubeReference; readonly settings: object }[]> {
  const references = [desiredStateReference(namespace), referenceOfBefore(namespace)]
  const maps = await Promise.all(references.map((reference) => cluster.get(reference)))
  return references.flatMap((reference, index) => {
    const settings = settingsIn(maps[index])
    return settings === undefined ? [] : [{ reference, settings }]
  })
}

/** Returns `undefined` if the map has no readable settings. Fields of other versions of trow are kept. */
function settingsIn(map: KubeObject | undefined): object | undefined {
  const { 'settings.json': text } = dataOf(map)
  return tryForeignJson(text, z.looseObject({}))
}

/** Returns the canary that agents were last told to pull; `undefined` if there is none. */
export async function publishedCanary(
  cluster: ClusterObjects,
  namespace: string,
): Promise<string | undefined> {
  const map =
    (await cluster.get(desiredStateReference(namespace))) ?? (await oldDesiredState(cluster, namespace))
  const text = dataOf(map)['settings.json']
  return tryForeignJson(text, nodeSettingsSchema)?.canary
}

/**
 * Removes them once no pod reads them any more. A pod on a node that is away still counts: it reads them when
 * it is back.
 */
export async function removeOldDesiredState(cluster: ClusterObjects, namespace: string): Promise<void> {
  const { nodeNamespace } = layoutOf(namespace)
  if ((await oldDesiredState(cluster, namespace)) === undefined) return
  const pods = await cluster.list(podsOf('node', nodeNamespace))
  if (pods.every(readsDesiredState)) await cluster.delete(referenceOfBefore(namespace))
}

const podSchema = z.object({
  spec: z.object({ containers: z.array(z.object({ args: z.array(z.string()).optional() })) }),
})

/** An agent with this argument reads its settings from the ConfigMap that agents cannot write. */
function readsDesiredState(pod: KubeObject): boolean {
  const parsed = podSchema.safeParse(pod)
  return parsed.success && parsed.data.spec.containers.some(({ args }) => args?.includes('--image-host'))
}
