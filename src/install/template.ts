import { readFileSync } from 'node:fs'
import { parseAllDocuments } from 'yaml'
import type { KubeMetadata, KubeObject } from '../cluster/cluster-objects.ts'
import { labels, type Layout } from '../cluster/layout.ts'

/** The objects of `templates/NAME.yaml`, parsed anew each time. */
export function readTemplate(name: string): KubeObject[] {
  const text = readFileSync(new URL(`../../templates/${name}.yaml`, import.meta.url), 'utf8')
  return parseAllDocuments(text).map((document) => {
    const [problem] = document.errors
    if (problem !== undefined) throw problem
    return document.toJS() as KubeObject
  })
}

/** The one object of that kind and, where there are several, name. */
export function pick<T extends KubeObject>(objects: readonly KubeObject[], kind: string, name?: string): T {
  const found = objects.filter(
    (object) => object.kind === kind && (name === undefined || object.metadata.name === name),
  )
  const [only] = found
  if (only === undefined || found.length > 1) throw new Error(`${found.length} objects ${kind} ${name ?? ''}`)
  return only as T
}

export function withMetadata<T extends KubeObject>(object: T, metadata: Partial<KubeMetadata>): T {
  return { ...object, metadata: { ...object.metadata, ...metadata } }
}

interface Subject {
  readonly kind: string
  readonly namespace?: string
}

/** Templates say `trow` and `trow-node`: puts an object where this install is, with trow's labels. */
export function place<T extends KubeObject>(object: T, layout: Layout, component: string): T {
  const { metadata } = object
  const placed = withMetadata(object, {
    ...(object.kind === 'Namespace' ? { name: namespaceIn(metadata.name, layout) } : {}),
    ...(metadata.namespace === undefined ? {} : { namespace: namespaceIn(metadata.namespace, layout) }),
    labels: { ...metadata.labels, ...labels.of(component) },
  })
  const subjects = object['subjects'] as readonly Subject[] | undefined
  if (subjects === undefined) return placed
  return {
    ...placed,
    subjects: subjects.map((subject) =>
      subject.namespace === undefined
        ? subject
        : { ...subject, namespace: namespaceIn(subject.namespace, layout) },
    ),
  }
}

function namespaceIn(name: string, layout: Layout): string {
  if (name === 'trow') return layout.namespace
  return name === 'trow-node' ? layout.nodeNamespace : name
}
