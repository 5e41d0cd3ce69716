import { z } from 'zod'
import { ClusterFault } from '../cluster/cluster-fault.ts'
import type { ClusterObjects, KubeChange, KubeObject, KubeSelection } from '../cluster/cluster-objects.ts'
import { names } from '../cluster/layout.ts'
import type { NodeSettings } from '../cluster/node-settings.ts'
import type { NodeProblem } from '../cluster/node-report.ts'
import type { Log } from '../log.ts'
import type { MachineOptions } from '../trust/node-trust.ts'
import { isHeld } from './startup-taint.ts'
import { readDesiredState, type DesiredState } from './desired-state.ts'

/** Milliseconds. */
const refusalLife = 120_000

export interface NodeView {
  readonly uid: string
  readonly machine: NonNullable<MachineOptions['node']>
  /** The node's own address, where NodePorts answer. */
  readonly address: string | undefined
  /** Whether it has the taint that keeps pods away until its agent runs. */
  readonly held: boolean
}

export interface ClusterViewOptions {
  readonly objects: ClusterObjects
  /** Namespace of the registry, which holds the desired state: agents may read it there and write nothing. */
  readonly namespace: string
  /** The only hosts that the desired state may name. */
  readonly imageHosts: readonly string[]
  readonly node: string
  readonly log: Log
  /** The desired state or the node has changed. */
  readonly onChange: () => void
  /** All EndpointSlices of the registry, whenever one of them changes. */
  readonly onSlices: (slices: readonly KubeObject[]) => void
}

/**
 * The desired state, this node and the registry's pods, as the API server last reported them; kept while it
 * does not answer.
 */
export class ClusterView {
  readonly #options: ClusterViewOptions
  /** The last desired state that was valid. */
  desiredState: DesiredState | undefined
  node: NodeView | undefined
  /** Why the newest desired state is not followed. */
  #problem: NodeProblem | undefined
  readonly #refusals = new Map<string, { readonly time: number; readonly message: string }>()
  #slicesOf = ''
  #slicesEnd = new AbortController()

  constructor(options: ClusterViewOptions) {
    this.#options = options
  }

  get problems(): readonly NodeProblem[] {
    const refused = [...this.#refusals]
      // A watch is retried every half minute at least, so a refusal that has ended is not recorded again and
      // expires.
      .filter(([, { time }]) => performance.now() - time < refusalLife)
      .map(([kind, { message }]) => ({
        code: 'WATCH_REFUSED',
        message: `the API server does not tell the agent of ${kind}: ${message}`,
        hint: `trow install gives service account ${names.agent} its rights again.`,
        fatal: false,
      }))
    return [...(this.#problem === undefined ? [] : [this.#problem]), ...refused]
  }

  /** Runs until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    const { namespace, node } = this.#options
    const settings: KubeSelection = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      namespace,
      fieldSelector: `metadata.name=${names.desiredState}`,
    }
    const own: KubeSelection = { apiVersion: 'v1', kind: 'Node', fieldSelector: `metadata.name=${node}` }
    await Promise.all([
      this.#follow(settings, ([object]) => this.#takeDesiredState(object, signal), signal),
      this.#follow(own, ([object]) => this.#takeNode(object), signal),
    ])
    this.#slicesEnd.abort()
  }

  /** Passes all objects to `take`, first when the list is complete and then after each change. */
  async #follow(
    selection: KubeSelection,
    take: (objects: readonly KubeObject[]) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { objects, log } = this.#options
    const known = new Map<string, KubeObject>()
    let synced = false
    let away = false
    const onChange = (change: KubeChange): void => {
      if (away) log.info(`the API server tells of ${selection.kind} again`)
      away = false
      this.#refusals.delete(selection.kind)
      if (change.kind === 'synced') synced = true
      else if (change.kind === 'present') known.set(change.object.metadata.name, change.object)
      else known.delete(change.object.metadata.name)
      if (synced) take([...known.values()])
    }
    const onFault = (fault: Error): void => {
      if (!away) log.warn(`no news of ${selection.kind}; what is known stays`, { error: fault.message })
      away = true
      if (!(fault instanceof ClusterFault) || !['forbidden', 'unauthorized'].includes(fault.kind)) return
      this.#refusals.set(selection.kind, { time: performance.now(), message: fault.message })
    }
    await objects.watch(selection, { onChange, onFault }, signal)
  }

  #takeDesiredState(object: KubeObject | undefined, signal: AbortSignal): void {
    const { namespace, imageHosts, onChange } = this.#options
    const before = JSON.stringify([this.desiredState, this.#problem])
    const where = `kubectl -n ${namespace} get configmap ${names.desiredState} -o yaml shows it; trow install writes it anew.`
    const wrong = (code: string, message: string): void => {
      this.#problem = { code, message, hint: where, fatal: this.desiredState === undefined }
    }
    if (object === undefined)
      wrong('SETTINGS_MISSING', `there is no ConfigMap ${names.desiredState} in namespace ${namespace}`)
    else {
      const read = readDesiredState(object, imageHosts)
      if (typeof read === 'string')
        wrong('SETTINGS_INVALID', `ConfigMap ${names.desiredState} is not followed: ${read}`)
      else {
        this.#problem = undefined
        if (JSON.stringify(read) !== JSON.stringify(this.desiredState)) this.desiredState = read
        this.#followSlices(read.settings.registry, signal)
      }
    }
    if (JSON.stringify([this.desiredState, this.#problem]) !== before) onChange()
  }

  #takeNode(object: KubeObject | undefined): void {
    const view = object === undefined ? undefined : readNode(object)
    // The kubelet's heartbeats change none of these fields.
    if (view === undefined || JSON.stringify(view) === JSON.stringify(this.node)) return
    this.node = view
    this.#options.onChange()
  }

  #followSlices({ namespace, service }: NodeSettings['registry'], signal: AbortSignal): void {
    const key = `${namespace}/${service}`
    if (key === this.#slicesOf) return
    this.#slicesOf = key
    this.#slicesEnd.abort()
    this.#slicesEnd = new AbortController()
    const selection: KubeSelection = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      namespace,
      labelSelector: `kubernetes.io/service-name=${service}`,
    }
    const ended = AbortSignal.any([signal, this.#slicesEnd.signal])
    this.#follow(selection, this.#options.onSlices, ended).catch((error: unknown) => {
      this.#options.log.error('endpoints of the registry are not watched any more', { error: String(error) })
    })
  }
}

const nodeSchema = z.object({
  metadata: z.object({
    name: z.string(),
    uid: z.string(),
    labels: z.record(z.string(), z.string()).nullish(),
  }),
  status: z.object({
    nodeInfo: z.object({
      kubeletVersion: z.string(),
      containerRuntimeVersion: z.string(),
      osImage: z.string(),
    }),
    addresses: z.array(z.object({ type: z.string(), address: z.string() })).nullish(),
  }),
})

function readNode(object: KubeObject): NodeView | undefined {
  const parsed = nodeSchema.safeParse(object)
  if (!parsed.success) return undefined
  const { metadata, status } = parsed.data
  const { kubeletVersion, containerRuntimeVersion, osImage } = status.nodeInfo
  return {
    uid: metadata.uid,
    machine: {
      name: metadata.name,
      kubeletVersion,
      containerRuntimeVersion,
      osImage,
      labels: metadata.labels ?? {},
    },
    address: status.addresses?.find(({ type }) => type === 'InternalIP')?.address,
    held: isHeld(object),
  }
}
