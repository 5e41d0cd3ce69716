import type { KubeObject } from '../cluster/cluster-objects.ts'
import type { Fault } from '../cluster/grouped-faults.ts'
import { layoutOf } from '../cluster/layout.ts'
import { nodeFacts } from '../cluster/node-facts.ts'
import { pullFailureMessage } from '../cluster/pull-failure-message.ts'
import { UserError } from '../user-error.ts'
import { asked, referenceOf } from './apply.ts'
import type { InstallContext } from './install-context.ts'
import { withPods } from './passing-pods.ts'
import { hasImage, isHeldBack, podMessage, pullFailure } from './pod-state.ts'
import { nodesWithout } from './preflight/image-checks.ts'
import { withImage } from './registry-objects.ts'
import { pick, place, readTemplate, withMetadata } from './template.ts'
import { waysToBring } from './ways-to-bring.ts'
import type { PodSpec } from './workload.ts'

/** So many nodes are enough to find out, and few enough to wait for. */
const most = 5

/**
 * Lets nodes that do not list the image pull it, by one pod on each, which is deleted afterwards. Throws
 * UserError IMAGE_UNPULLABLE with the kubelet's message.
 */
export async function tryImage(context: InstallContext): Promise<void> {
  const { cluster, image } = context
  const list = await asked(context, 'nodes', () => cluster.list({ apiVersion: 'v1', kind: 'Node' }))
  const nodes = nodesWithout(image.reference, list.map(nodeFacts)).slice(0, most)
  if (nodes.length === 0) return
  const pods = nodes.map(({ name }, index) => trialPod(context, name, index))
  let open: readonly TrialPod[] = pods
  await withPods(context, pods, `nodes pull ${image.reference}`, async () => {
    const reasons: Fault[] = []
    const left: TrialPod[] = []
    for (const pod of open) {
      const reason = await missing(context, pod)
      if (reason === undefined) continue
      left.push(pod)
      reasons.push({ node: nodeOf(pod), text: reason })
    }
    open = left
    return reasons.length === 0 ? { done: true } : { done: false, reasons }
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

/** Returns why the node does not have the image yet; `undefined` if it has it. */
async function missing({ cluster, image }: InstallContext, wanted: TrialPod): Promise<string | undefined> {
  const pod = await cluster.get(referenceOf(wanted))
  if (pod === undefined) return 'its pod is about to be made'
  if (hasImage(pod)) return undefined
  const failure = pullFailure(pod)
  if (failure !== undefined && isHeldBack(pod))
    throw unpullable(image.reference, nodeOf(wanted), await pullFailureMessage(cluster, pod, failure.message))
  const pulls = `pulls ${image.reference}`
  return failure === undefined ? pulls : `${pulls}: ${await podMessage(cluster, pod)}`
}

function unpullable(reference: string, node: string, message: string): UserError {
  return new UserError('IMAGE_UNPULLABLE', `node ${node} cannot pull ${reference}: ${message}`, {
    hint: waysToBring,
  })
}
