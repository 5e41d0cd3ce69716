import { counted } from '../counted.ts'
import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { referenceOf } from './apply.ts'
import { podsOf } from './agent-watch.ts'
import { isHeldBack, isReady, podReason, pullFailure } from './pod-state.ts'
import { Standing } from './standing.ts'
import { waysToBring } from './ways-to-bring.ts'
import type { WaitOutcome } from './waiting.ts'
import { templateOf, type Workload } from './workload.ts'

/** Milliseconds after which a second pod that does not come is not waited for any longer. */
const settled = 20_000

/** Looks at the admission pods repeatedly until they are the wanted ones and ready. */
export class AdmissionWatch {
  readonly #cluster: ClusterObjects
  readonly #wanted: Workload
  readonly #needsAll: boolean
  readonly #standing: Standing
  #doubt: string | undefined

  /** `needsAll`: one ready pod beside one that does not come is not enough. */
  constructor(
    cluster: ClusterObjects,
    wanted: Workload,
    { needsAll, now }: { readonly needsAll: boolean; readonly now: () => number },
  ) {
    this.#cluster = cluster
    this.#wanted = wanted
    this.#needsAll = needsAll
    this.#standing = new Standing(now)
  }

  /** Why it was done with fewer ready pods than there are to be. */
  get doubt(): string | undefined {
    return this.#doubt
  }

  async look(): Promise<WaitOutcome> {
    const cluster = this.#cluster
    const wanted = templateOf(this.#wanted.spec.template)
    const [deployment, all] = await Promise.all([
      cluster.get(referenceOf(this.#wanted)),
      cluster.list(podsOf('admission', this.#wanted.metadata.namespace ?? '')),
    ])
    const pods = all.filter((pod) => templateOf(pod) === wanted)
    const replicas = Number(this.#wanted.spec['replicas'] ?? 1)
    const ready = pods.filter(isReady)
    if (deployment !== undefined && ready.length >= replicas) return { done: true }
    const open = pods.filter((pod) => !isReady(pod) && pod.metadata.deletionTimestamp === undefined)
    this.#standing.keep(open.map(({ metadata }) => metadata.name))
    const isSettled = (pod: KubeObject): boolean =>
      isHeldBack(pod) || this.#standing.of(pod.metadata.name) >= settled
    const reasons = await Promise.all(open.map(async (pod) => ({ text: await podReason(cluster, pod) })))
    if (reasons.length === 0)
      reasons.push({
        text: `${ready.length} of ${counted(replicas, 'pod')} ready; the others are about to be made`,
      })
    if (ready.length > 0 && open.length > 0 && open.every(isSettled) && !this.#needsAll) {
      this.#doubt = reasons.map(({ text }) => text).join('; ')
      return { done: true }
    }
    const stuck = open.find(isHeldBack)
    // The others may still come.
    if (stuck === undefined || !(this.#needsAll || open.every(isHeldBack))) return { done: false, reasons }
    return { done: false, reasons, stuck: true, hint: hintFor(stuck) }
  }
}

function hintFor(pod: KubeObject): string {
  const { name, namespace } = pod.metadata
  return pullFailure(pod) === undefined ? `kubectl -n ${namespace} logs ${name}` : waysToBring
}
