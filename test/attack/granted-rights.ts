import type { KubeObject } from '../../src/cluster/cluster-objects.ts'

/** By subject (`namespace:account`, `group NAME`) and place (a namespace, or `*`): `resource [names] [verbs]`, sorted. */
export type Rights = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>

interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly resourceNames?: readonly string[]
  readonly verbs: readonly string[]
}

interface Subject {
  readonly kind: string
  readonly name: string
  readonly namespace?: string
}

/** Returns the rights that the bindings among these objects give. A role that is not among them is shown by name. */
export function rightsOf(objects: readonly KubeObject[]): Rights {
  const rights: Record<string, Record<string, string[]>> = {}
  for (const { kind, metadata, ...binding } of objects) {
    if (!kind.endsWith('RoleBinding')) continue
    const place = kind === 'ClusterRoleBinding' ? '*' : (metadata.namespace ?? '')
    const roleRef = binding['roleRef'] as { readonly kind: string; readonly name: string }
    const role = objects.find(
      (object) =>
        object.kind === roleRef.kind &&
        object.metadata.name === roleRef.name &&
        (object.kind === 'ClusterRole' || object.metadata.namespace === place),
    )
    const given =
      role === undefined
        ? [`role of the cluster: ${roleRef.name}`]
        : (role['rules'] as Rule[]).flatMap(printRule)
    for (const subject of binding['subjects'] as Subject[]) {
      const places = (rights[printSubject(subject)] ??= {})
      places[place] = [...(places[place] ?? []), ...given].sort()
    }
  }
  return rights
}

export function hasRight(
  rights: readonly string[] | undefined,
  asked: { readonly verb: string; readonly resource: string; readonly name: string },
): boolean {
  return (rights ?? []).some((right) => {
    const [, resource, names, verbs] = /^(\S+) \[(.*)\] \[(.*)\]$/.exec(right) ?? []
    return (
      resource === asked.resource &&
      (names === '' || names?.split(' ').includes(asked.name) === true) &&
      verbs?.split(' ').includes(asked.verb) === true
    )
  })
}

function printRule({ apiGroups, resources, resourceNames = [], verbs }: Rule): string[] {
  return apiGroups.flatMap((group) =>
    resources.map(
      (resource) =>
        `${resource}${group === '' ? '' : `.${group}`} [${resourceNames.join(' ')}] [${verbs.join(' ')}]`,
    ),
  )
}

function printSubject({ kind, name, namespace }: Subject): string {
  return kind === 'ServiceAccount' ? `${namespace}:${name}` : `${kind.toLowerCase()} ${name}`
}
