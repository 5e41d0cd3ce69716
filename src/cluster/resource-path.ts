import type { ApiResource } from './api-resources.ts'
import type { KubeReference, KubeSelection } from './cluster-objects.ts'

/** The path of a collection: of one namespace, or without one of all. */
export function collectionOf(
  { root, plural, namespaced }: ApiResource,
  namespace: string | undefined,
): string {
  const within = namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  return `${root}${within}/${plural}`
}

/** The path of one object. Throws where its namespace is missing, which is a bug. */
export function pathOf(resource: ApiResource, { kind, name, namespace }: KubeReference): string {
  if (resource.namespaced && namespace === undefined) throw new Error(`${kind} ${name} needs a namespace`)
  return `${collectionOf(resource, namespace)}/${encodeURIComponent(name)}`
}

/** The selectors of a list or watch, and what is asked besides. */
export function queryOf(
  { labelSelector, fieldSelector }: KubeSelection,
  more: Readonly<Record<string, string>>,
): URLSearchParams {
  return new URLSearchParams({
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
    ...more,
  })
}
