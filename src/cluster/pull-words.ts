import type { ClusterObjects, KubeObject } from './cluster-objects.ts'
import { warningsAbout } from './pod-problem.ts'

/**
 * What the kubelet said when it last could not pull the image of a pod, with what it says now: in its back-off the status itself
 * does not name the cause on every version.
 */
export async function pullWords(objects: ClusterObjects, pod: KubeObject, now: string): Promise<string> {
  const warnings = await warningsAbout(objects, pod).catch(() => [])
  // "Error: ErrImagePull" is one too: the cause is in the longest.
  const [cause] = warnings
    .filter(({ reason }) => reason === 'Failed')
    .map(({ message }) => message)
    .sort((one, other) => other.length - one.length)
  const root = cause?.split(': ').at(-1)
  if (cause === undefined || (root !== undefined && now.includes(root))) return now
  return now === '' ? cause : `${now}: ${cause}`
}
