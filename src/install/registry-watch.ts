import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { names } from '../cluster/layout.ts'
import { isReady as hasReadyCondition, lastWarning } from '../cluster/pod-problem.ts'
import type { Fault } from '../cluster/grouped-faults.ts'
import { podsOf } from './agent-watch.ts'
import { isHeldBack, isReady, podReason, pullFailure } from './pod-state.ts'
import { Standing } from './standing.ts'
import { waysToBring, whoRefuses } from './ways-to-bring.ts'
import type { WaitOutcome } from './waiting.ts'
import { templateOf, type Workload } from './workload.ts'

/** Milliseconds in which a controller has retried to create a refused pod. */
const refusedFor = 10_000

/** Looks at the registry's pod repeatedly until it is the wanted one and ready. */
export class RegistryWatch {
  readonly #cluster: ClusterObjects
  readonly #wanted: Workload
  readonly #standing: Standing
  /** The event that was the last one at the first look. */
  #old: string | undefined

  constructor(cluster: ClusterObjects, wanted: Workload, now: () => number) {
    this.#cluster = cluster
    this.#wanted = wanted
    this.#standing = new Standing(now)
  }

  /**
   * Deletes a pod of an older revision that is not ready: a StatefulSet would wait for it for ever
   * (kubernetes#67250), and its data is on a volume.
   */
  async look(): Promise<WaitOutcome> {
    const cluster = this.#cluster
    const { namespace } = this.#wanted.metadata
    const [set, pods] = await Promise.all([
      cluster.get({ apiVersion: 'apps/v1', kind: 'StatefulSet', name: names.statefulSet, namespace }),
      cluster.list(podsOf('registry', namespace)),
    ])
    const template = templateOf(this.#wanted.spec.template)
    const ready = pods.filter((pod) => isReady(pod) && templateOf(pod) === template)
    if (set !== undefined && isObserved(set) && ready.length > 0) return { done: true }
    const [pod] = pods
    if (pod === undefined)
      return set === undefined ? waiting('its pod is about to be made') : this.#missing(set)
    if (set !== undefined && isStuck(pod, set)) {
      const { name, uid } = pod.metadata
      const own = uid === undefined ? {} : { uid }
      await cluster.delete({ apiVersion: 'v1', kind: 'Pod', name, namespace }, own)
      return waiting(`pod ${name} of before is not ready, and is taken away`)
    }
    const reason = await podReason(cluster, pod)
    if (templateOf(pod) !== template || !isHeldBack(pod)) return waiting(reason)
    const hint =
      pullFailure(pod) === undefined ? `kubectl -n ${namespace} logs ${pod.metadata.name}` : waysToBring
    return { ...waiting(reason), stuck: true, hint }
  }

  /** The controller has created no pod. Its warning may be an old one; it counts once it is repeated. */
  async #missing(set: KubeObject): Promise<WaitOutcome> {
    const event = await lastWarning(this.#cluster, set)
    const told = event === undefined ? '' : `${event.time} ${event.message}`
    this.#old ??= told
    const isRefused = event?.reason === 'FailedCreate' && told !== this.#old
    this.#standing.keep(isRefused ? ['refused'] : [])
    if (event === undefined) return waiting('its pod is about to be made')
    const reason = `${event.reason}: ${event.message}`
    return this.#standing.of('refused') < refusedFor
      ? waiting(reason)
      : { ...waiting(reason), stuck: true, hint: whoRefuses(set.metadata.namespace) }
  }
}

function waiting(text: string): { readonly done: false; readonly reasons: readonly Fault[] } {
  return { done: false, reasons: [{ text }] }
}

function isStuck(pod: KubeObject, set: KubeObject): boolean {
  const { updateRevision } = (set['status'] ?? {}) as { updateRevision?: string }
  const own = pod.metadata.labels?.['controller-revision-hash']
  const isOld = own !== undefined && updateRevision !== undefined && own !== updateRevision
  return isOld && isObserved(set) && !hasReadyCondition(pod) && pod.metadata.deletionTimestamp === undefined
}

function isObserved(set: KubeObject): boolean {
  const { observedGeneration } = (set['status'] ?? {}) as { observedGeneration?: number }
  return (observedGeneration ?? 0) >= (set.metadata.generation ?? 0)
}
