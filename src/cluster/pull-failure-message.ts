import type { ClusterObjects, KubeObject } from './cluster-objects.ts'
import { warningsAbout } from './pod-problem.ts'

/**
 * The kubelet's last reason why it could not pull a pod's image, added to its current message: during back-off, some
 * versions of the kubelet leave the cause out of the status.
 */
export async function pullFailureMessage(
  objects: ClusterObjects,
  pod: KubeObject,
  now: string,
): Promise<string> {
  const warnings = await warningsAbout(objects, pod).catch(() => [])
  // Some warnings say only "Error: ErrImagePull"; the longest one holds the cause.
  const [cause] = warnings
    .filter(({ reason }) => reason === 'Failed')
    .map(({ message }) => message)
    .sort((one, other) => other.length - one.length)
  const root = cause?.split(': ').at(-1)
  if (cause === undefined || (root !== undefined && now.includes(root))) return now
  return now === '' ? cause : `${now}: ${cause}`
}
