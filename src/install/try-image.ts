import type { KubeObject } from '../cluster/cluster-objects.ts'
import { layoutOf } from '../cluster/layout.ts'
import { UserError } from '../user-error.ts'
import { asked, referenceOf } from './apply.ts'
import type { InstallContext } from './install-context.ts'
import { withPods } from './passing-pods.ts'
import { hasImage, pullFailure } from './pod-state.ts'
import { nodeFacts } from '../cluster/node-facts.ts'
import { nodesWithout } from './preflight/image-checks.ts'
import { withImage } from './registry-objects.ts'
import { pick, place, readTemplate, withMetadata } from './template.ts'
import type { PodSpec } from './workload.ts'

/** Enough to know, and few enough to wait for. */
const most = 5

/**
 * Has nodes that do not list the image pull it, a pod each, which is taken away again. Throws UserError IMAGE_UNPULLABLE
 * with what the kubelet says.
 */
export async function tryImage(context: InstallContext): Promise<void> {
  const { cluster, image } = context
  const list = await asked(context, 'nodes', () => cluster.list({ apiVersion: 'v1', kind: 'Node' }))
  const nodes = nodesWithout(image.reference, list.map(nodeFacts)).slice(0, most)
  if (nodes.length === 0) return
  const pods = nodes.map(({ name }, index) => trialPod(context, name, index))
  const open = new Set(pods)
  await withPods(context, pods, `nodes pull ${image.reference}`, async () => {
    for (const pod of open) if (await pulled(context, pod)) open.delete(pod)
    return open.size === 0
      ? { done: true }
      : { done: false, reasons: [...open].map((pod) => `${nodeOf(pod)} pulls ${image.reference}`) }
  })
}

interface TrialPod extends KubeObject {
  readonly spec: PodSpec
}

function trialPod({ settings, image }: InstallContext, node: string, index: number): TrialPod {
  const pod = place(pick<TrialPod>(readTemplate('trial'), 'Pod'), layoutOf(settings.namespace), 'trial')
  return {
    ...withMetadata(pod, { name: `${pod.metadata.name}-${index}` }),
    spec: { ...withImage(pod.spec, image.reference), nodeName: node },
  }
}

function nodeOf(pod: TrialPod): string {
  return String(pod.spec['nodeName'])
}

async function pulled({ cluster, image }: InstallContext, wanted: TrialPod): Promise<boolean> {
  const pod = await cluster.get(referenceOf(wanted))
  if (pod === undefined) return false
  if (hasImage(pod)) return true
  const failure = pullFailure(pod)
  if (failure === undefined || failure.reason === 'ErrImagePull') return false
  throw unpullable(image.reference, nodeOf(wanted), failure.message)
}

function unpullable(reference: string, node: string, message: string): UserError {
  return new UserError('IMAGE_UNPULLABLE', `node ${node} cannot pull ${reference}: ${message}`, {
    hint: [
      "Bring trow's image to the nodes: trow image load (kind, minikube, k3d, k3s, Docker Desktop),",
      'trow image save FILE and ctr -n k8s.io images import FILE on each node,',
      'or trow image push REFERENCE to a registry they reach and trow install --image REFERENCE.',
    ].join(' '),
  })
}
