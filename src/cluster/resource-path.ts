import type { ApiResource } from './api-resources.ts'
import type { KubeReference, KubeSelection } from './cluster-objects.ts'

/** The path of a collection, in one namespace or in all. */
export function collectionOf(
  { root, plural, namespaced }: ApiResource,
  namespace: string | undefined,
): string {
  const within = namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  return `${root}${within}/${plural}`
}

/** The path of one object. A missing namespace throws, because it is a bug. */
export function pathOf(resource: ApiResource, { kind, name, namespace }: KubeReference): string {
  if (resource.namespaced && namespace === undefined) throw new Error(`${kind} ${name} needs a namespace`)
  return `${collectionOf(resource, namespace)}/${encodeURIComponent(name)}`
}

/** The query of a list or watch: its selectors, and `more`. */
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
