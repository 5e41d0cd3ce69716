import type { KubeObject } from './cluster-objects.ts'
import { startupTaint } from './layout.ts'

/** The fields of a Node object that an install needs. */
export interface NodeFacts {
  readonly name: string
  readonly ready: boolean
  /** Ready, not cordoned, and without a taint that keeps pods away. */
  readonly schedulable: boolean
  readonly taints: readonly string[]
  readonly architecture: string
  readonly system: string
  readonly osImage: string
  readonly kubeletVersion: string
  /** `containerd`, `2.3.7`. */
  readonly runtime: { readonly name: string; readonly version: string }
  readonly labels: Readonly<Record<string, string>>
  /** Names of the images on the node; the kubelet lists only the 50 largest images. */
  readonly images: readonly string[]
  readonly internalIps: readonly string[]
}

interface NodeShape {
  readonly spec?: {
    readonly unschedulable?: boolean
    readonly taints?: readonly { readonly key: string; readonly effect: string }[]
  }
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
    readonly addresses?: readonly { readonly type: string; readonly address: string }[]
    readonly images?: readonly { readonly names?: readonly string[] }[]
    readonly nodeInfo?: Readonly<Record<string, string>>
  }
}

export function nodeFacts(node: KubeObject): NodeFacts {
  const { spec = {}, status = {} } = node as unknown as NodeShape
  const info = status.nodeInfo ?? {}
  const ready = status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false
  const taints = (spec.taints ?? []).filter(({ effect }) => effect !== 'PreferNoSchedule')
  const [, name = '', version = ''] = /^([^:]*):\/\/(.*)$/.exec(info['containerRuntimeVersion'] ?? '') ?? []
  return {
    name: node.metadata.name,
    ready,
    schedulable: ready && spec.unschedulable !== true && taints.length === 0,
    taints: taints.map(({ key, effect }) => `${key}:${effect}`),
    architecture: info['architecture'] ?? '',
    system: info['operatingSystem'] ?? '',
    osImage: info['osImage'] ?? '',
    kubeletVersion: info['kubeletVersion'] ?? '',
    runtime: { name, version },
    labels: node.metadata.labels ?? {},
    images: (status.images ?? []).flatMap(({ names = [] }) => names),
    internalIps: (status.addresses ?? [])
      .filter(({ type }) => type === 'InternalIP')
      .map(({ address }) => address),
  }
}

/** The node has the startup taint, so no pods are scheduled on it yet. */
export function isHeld({ taints }: NodeFacts): boolean {
  return taints.some((taint) => taint.startsWith(`${startupTaint}:`))
}

/** The node takes pods, or will once its agent removes the startup taint (`isLifted` means that agents remove it). */
export function isFree(node: NodeFacts, isLifted: boolean): boolean {
  return node.schedulable || (isLifted && node.ready && node.taints.length === 1 && isHeld(node))
}

/** The node can run trow: Linux on amd64 or arm64; unknown values count as suitable. */
export function isSuitable({ system, architecture }: NodeFacts): boolean {
  return (system === 'linux' || system === '') && ['amd64', 'arm64', ''].includes(architecture)
}

/** The node should have an agent, as in templates/node.yaml: Fargate and virtual-kubelet nodes get none. */
export function takesAgent(node: NodeFacts): boolean {
  return (
    isSuitable(node) &&
    node.labels['eks.amazonaws.com/compute-type'] !== 'fargate' &&
    node.labels['type'] !== 'virtual-kubelet'
  )
}
