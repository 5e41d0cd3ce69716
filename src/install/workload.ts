import { createHash } from 'node:crypto'
import type { KubeObject } from '../cluster/cluster-objects.ts'
import { labels } from '../cluster/layout.ts'

// Only the fields that trow sets in pod templates; all other fields stay as they are in the template.

export interface VolumeMount {
  readonly name: string
  readonly mountPath: string
  readonly readOnly?: boolean
  readonly mountPropagation?: string
}

interface Container {
  readonly image: string
  readonly args: readonly string[]
  readonly env?: readonly { readonly name: string; readonly [source: string]: unknown }[] | undefined
  readonly securityContext: Readonly<Record<string, unknown>>
  readonly volumeMounts: readonly VolumeMount[]
}

export interface PodSpec {
  readonly containers: readonly [Container]
  readonly volumes: readonly { readonly name: string; readonly [source: string]: unknown }[]
  readonly [field: string]: unknown
}

export interface PodTemplate {
  readonly metadata: {
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly spec: PodSpec
}

export interface Workload extends KubeObject {
  readonly spec: { readonly template: PodTemplate; readonly [field: string]: unknown }
}

/**
 * Annotation of every pod of trow: a digest of the template that the pod was made from, by which old pods are
 * recognized.
 */
export const templateAnnotation = 'trow.io/template'

/** Applies `change` to the pod's spec, and adds labels and the template's digest to the pods. */
export function withPods<T extends Workload>(
  workload: T,
  component: string,
  change: (spec: PodSpec) => PodSpec,
  annotations: Readonly<Record<string, string>> = {},
): T {
  const { template } = workload.spec
  const metadata = {
    ...template.metadata,
    labels: { ...template.metadata.labels, ...labels.of(component) },
    annotations: { ...template.metadata.annotations, ...annotations },
  }
  const spec = change(template.spec)
  const digest = createHash('sha256')
    .update(JSON.stringify([metadata, spec]))
    .digest('hex')
    .slice(0, 16)
  const marked = { ...metadata, annotations: { ...metadata.annotations, [templateAnnotation]: digest } }
  return { ...workload, spec: { ...workload.spec, template: { metadata: marked, spec } } }
}

/** Reads the digest of a workload's template or of a pod. */
export function templateOf(object: KubeObject | PodTemplate | undefined): string | undefined {
  return object?.metadata.annotations?.[templateAnnotation]
}

export function withContainer(spec: PodSpec, change: (container: Container) => Container): PodSpec {
  return { ...spec, containers: [change(spec.containers[0])] }
}
