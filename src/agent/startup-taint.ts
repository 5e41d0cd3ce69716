import { z } from 'zod'
import { ClusterFault } from '../cluster/cluster-fault.ts'
import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { checkObject } from '../cluster/kube-json.ts'
import { names, startupTaint } from '../cluster/layout.ts'
import type { NodeProblem } from '../cluster/node-report.ts'
import type { NodeSettings } from '../cluster/node-settings.ts'
import type { Log } from '../log.ts'
import type { TrustState } from './trust-keeper.ts'

/** The kubelet writes to a new Node all the time: a write that conflicts is tried again at once. */
const attempts = 5

const nodeSchema = z.object({
  metadata: z.object({ resourceVersion: z.string() }),
  spec: z.object({ taints: z.array(z.looseObject({ key: z.string() })).nullish() }).nullish(),
})

/** Removes the taint that keeps pods away from a new node until the node can pull. */
export class StartupTaint {
  readonly #objects: ClusterObjects
  readonly #node: string
  readonly #log: Log
  #problem: NodeProblem | undefined

  constructor(options: { readonly objects: ClusterObjects; readonly node: string; readonly log: Log }) {
    this.#objects = options.objects
    this.#node = options.node
    this.#log = options.log
  }

  get problems(): readonly NodeProblem[] {
    return this.#problem === undefined ? [] : [this.#problem]
  }

  /** A ClusterFault becomes a problem, and the next call tries again. Rejects only for bugs. */
  async lift(): Promise<void> {
    try {
      let done = false
      for (let left = attempts; left > 0 && !done; left--) done = await this.#try()
      this.#problem = done ? undefined : this.#problemOf('others change the Node all the time')
      if (done) this.#log.info('pods may come', { node: this.#node })
    } catch (error) {
      if (!(error instanceof ClusterFault)) throw error
      this.#problem = this.#problemOf(error.message)
    }
  }

  /** False: the Node was changed meanwhile. */
  async #try(): Promise<boolean> {
    const reference = { apiVersion: 'v1', kind: 'Node', name: this.#node }
    const found = await this.#objects.get(reference)
    if (found === undefined) return true
    const { metadata, spec } = checkObject(found, nodeSchema)
    const taints = spec?.taints ?? []
    const left = taints.filter(({ key }) => key !== startupTaint)
    if (left.length === taints.length) return true
    const { resourceVersion } = metadata
    try {
      await this.#objects.patch(reference, { metadata: { resourceVersion }, spec: { taints: left } })
      return true
    } catch (error) {
      if (error instanceof ClusterFault && error.status === 409) return false
      throw error
    }
  }

  #problemOf(reason: string): NodeProblem {
    return {
      code: 'STARTUP_TAINT_STAYS',
      message: `taint ${startupTaint} of node ${this.#node} cannot be taken away: ${reason}`,
      hint: `trow install --startup-taint gives the agents the right to (ClusterRole ${names.agent}); by hand: kubectl taint node ${this.#node} ${startupTaint}-`,
      fatal: false,
    }
  }
}

/** Whether the node has the taint. */
export function isHeld({ spec }: KubeObject): boolean {
  const parsed = nodeSchema.shape.spec.safeParse(spec)
  return parsed.data?.taints?.some(({ key }) => key === startupTaint) ?? false
}

/**
 * Whether nothing is left to wait for: what a pull needs is on the node, or no agent will write it there.
 * While a write fails the taint stays, and keeps pods away from a node that could not pull for them.
 */
export function mayTakePods(settings: NodeSettings, state: TrustState, isProved: boolean): boolean {
  if (isProved || settings.mode === 'undo') return true
  const { class: kind } = state.facts
  if (kind === 'managed' || kind === 'unsupported') return true
  return state.written !== undefined && !(settings.restartRuntime && kind === 'unset')
}
