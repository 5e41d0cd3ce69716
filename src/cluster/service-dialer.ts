import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClusterFault } from './cluster-fault.ts'
import type { KubeObject } from './cluster-objects.ts'
import type { OpenClusterObjects } from './kubernetes-objects.ts'
import { isReady, podProblem } from './pod-problem.ts'
import { forwardPort } from './port-forward.ts'

export interface ServicePort {
  readonly namespace: string
  readonly service: string
  /** Port of the Service. */
  readonly port: number
}

/** Milliseconds between two attempts to find a ready pod. */
const look = 500

/** Connections to any ready pod of a Service, through the API server. */
export class ServiceDialer {
  readonly #objects: OpenClusterObjects
  readonly #target: ServicePort
  /** The pod of the last successful connection; cleared when one fails or closes. */
  #pod: { readonly name: string; readonly port: number } | undefined

  constructor(objects: OpenClusterObjects, target: ServicePort) {
    this.#objects = objects
    this.#target = target
  }

  /**
   * Waits up to `patience` milliseconds for a ready pod and calls `onWait` with the reason before each retry. Rejects
   * with NoReadyPod, or with ClusterFault: at once if `forbidden` or `unauthorized`, else after `patience`.
   */
  async dial(
    patience: number,
    signal?: AbortSignal,
    onWait: (reason: Error) => void = () => {},
  ): Promise<Duplex> {
    const { namespace } = this.#target
    const end = AbortSignal.timeout(patience)
    for (;;) {
      try {
        const { name: pod, port } = (this.#pod ??= await this.#readyPod())
        const stream = await forwardPort(this.#objects.connection, { namespace, pod, port }, signal)
        // The next dial looks for a pod again: this one may be terminating.
        stream.once('error', () => (this.#pod = undefined))
        stream.once('close', () => (this.#pod = undefined))
        return stream
      } catch (error) {
        this.#pod = undefined
        const hopeless =
          !(error instanceof NoReadyPod || error instanceof ClusterFault) ||
          (error instanceof ClusterFault && (error.kind === 'forbidden' || error.kind === 'unauthorized'))
        if (hopeless || signal?.aborted === true || end.aborted) throw error
        onWait(error)
        await sleep(look, undefined, signal === undefined ? {} : { signal })
      }
    }
  }

  /** The reason, in the words of the scheduler, the kubelet or the container. */
  async #why(pods: readonly KubeObject[]): Promise<string> {
    const [first] = pods
    if (first === undefined) return 'there is none'
    const problem = await podProblem(this.#objects, first).catch(() => undefined)
    if (problem === undefined) return `pod ${first.metadata.name} is being taken away`
    const { pod, reason, message } = problem
    return `pod ${pod}: ${reason}${message === '' ? '' : `: ${message}`}`
  }

  async #readyPod(): Promise<{ readonly name: string; readonly port: number }> {
    const { namespace, service: name } = this.#target
    const service = await this.#objects.get({ apiVersion: 'v1', kind: 'Service', namespace, name })
    if (service === undefined)
      throw new NoReadyPod(`there is no Service ${name} in namespace ${namespace}`, false)
    const { selector = {}, ports = [] } = (service['spec'] ?? {}) as ServiceSpec
    const labelSelector = Object.entries(selector)
      .map(([key, value]) => `${key}=${value}`)
      .join(',')
    if (labelSelector === '') throw new NoReadyPod(`Service ${namespace}/${name} selects no pods`, true)
    const pods = await this.#objects.list({ apiVersion: 'v1', kind: 'Pod', namespace, labelSelector })
    const target = ports.find(({ port }) => port === this.#target.port)
    for (const pod of pods.filter(takesConnections)) {
      const port = portOf(pod, target?.targetPort ?? this.#target.port)
      if (port !== undefined) return { name: pod.metadata.name, port }
    }
    throw new NoReadyPod(`no pod of Service ${namespace}/${name} is ready (${await this.#why(pods)})`, true)
  }
}

export class NoReadyPod extends Error {
  /** Whether the Service exists. */
  readonly installed: boolean

  constructor(message: string, installed: boolean) {
    super(message)
    this.name = 'NoReadyPod'
    this.installed = installed
  }
}

interface ServiceSpec {
  readonly selector?: Readonly<Record<string, string>>
  readonly ports?: readonly { readonly port: number; readonly targetPort?: number | string }[]
}

interface PodSpec {
  readonly containers?: readonly {
    readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[]
  }[]
}

function takesConnections(pod: KubeObject): boolean {
  return isReady(pod) && pod.metadata.deletionTimestamp === undefined
}

function portOf({ spec }: KubeObject, target: number | string): number | undefined {
  if (typeof target === 'number') return target
  const ports = ((spec ?? {}) as PodSpec).containers?.flatMap((container) => container.ports ?? [])
  return ports?.find(({ name }) => name === target)?.containerPort
}
