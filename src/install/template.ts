import { counted } from '../counted.ts'
import { readFileSync } from 'node:fs'
import { parseAllDocuments } from 'yaml'
import type { KubeMetadata, KubeObject } from '../cluster/cluster-objects.ts'
import { labels, type Layout } from '../cluster/layout.ts'

/** Returns the objects of `templates/NAME.yaml`, parsed anew at each call. */
export function readTemplate(name: string): KubeObject[] {
  const text = readFileSync(new URL(`../../templates/${name}.yaml`, import.meta.url), 'utf8')
  return parseAllDocuments(text).map((document) => {
    const [problem] = document.errors
    if (problem !== undefined) throw problem
    return document.toJS() as KubeObject
  })
}

/** Returns the one object of that kind; `name` selects one of several. */
export function pick<T extends KubeObject>(objects: readonly KubeObject[], kind: string, name?: string): T {
  const found = objects.filter(
    (object) => object.kind === kind && (name === undefined || object.metadata.name === name),
  )
  const [only] = found
  if (only === undefined || found.length > 1)
    throw new Error(`${counted(found.length, 'object')} ${kind} ${name ?? ''}`)
  return only as T
}

export function withMetadata<T extends KubeObject>(object: T, metadata: Partial<KubeMetadata>): T {
  return { ...object, metadata: { ...object.metadata, ...metadata } }
}

interface BindingSubject {
  readonly kind: string
  readonly namespace?: string
}

/**
 * Templates contain the names `trow` and `trow-node`: moves an object to the namespaces of this install and
 * adds trow's labels.
 */
export function place<T extends KubeObject>(object: T, layout: Layout, component: string): T {
  const { metadata } = object
  const placed = withMetadata(object, {
    ...(object.kind === 'Namespace' ? { name: namespaceIn(metadata.name, layout) } : {}),
    ...(metadata.namespace === undefined ? {} : { namespace: namespaceIn(metadata.namespace, layout) }),
    labels: { ...metadata.labels, ...labels.of(component) },
  })
  const subjects = object['subjects'] as readonly BindingSubject[] | undefined
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
