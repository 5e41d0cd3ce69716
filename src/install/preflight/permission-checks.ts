import { counted } from '../../counted.ts'
import type { OwnRight } from '../../cluster/cluster-objects.ts'
import { layoutOf } from '../../cluster/layout.ts'
import { lackedForBinding } from '../../cluster/node-binding.ts'
import { failed, passed, type PreflightCheck, type PreflightCategory } from '../check.ts'
import type { PreflightContext } from './preflight-context.ts'

const rbac = 'rbac.authorization.k8s.io'
const policyGroup = 'policy.trow.io'

/** `group/resource` of everything that is applied, by namespace or cluster. */
const inRegistry = [
  ['', 'configmaps'],
  ['', 'secrets'],
  ['', 'serviceaccounts'],
  ['', 'services'],
  ['', 'pods'],
  ['', 'resourcequotas'],
  ['apps', 'statefulsets'],
  ['policy', 'poddisruptionbudgets'],
  ['networking.k8s.io', 'networkpolicies'],
  [rbac, 'roles'],
  [rbac, 'rolebindings'],
] as const
const inNodes = [
  ['', 'configmaps'],
  ['', 'serviceaccounts'],
  ['', 'resourcequotas'],
  ['', 'pods'],
  ['apps', 'daemonsets'],
  [rbac, 'roles'],
  [rbac, 'rolebindings'],
] as const
const ofCluster = [
  ['', 'namespaces'],
  ['apiextensions.k8s.io', 'customresourcedefinitions'],
  [policyGroup, 'trowpolicies'],
  [rbac, 'clusterroles'],
  [rbac, 'clusterrolebindings'],
] as const

/** Only in clusters that serve these kinds. */
const bounds = [
  ['admissionregistration.k8s.io', 'validatingadmissionpolicies'],
  ['admissionregistration.k8s.io', 'validatingadmissionpolicybindings'],
] as const

/** Not with `--admission off`. */
const ofAdmission = [
  ['apps', 'deployments'],
  ['coordination.k8s.io', 'leases'],
] as const

const grants = 'you may give the registry and the agents their rights'

export async function permissionChecks({ cluster, settings }: PreflightContext): Promise<PreflightCategory> {
  const { namespace, nodeNamespace } = layoutOf(settings.namespace)
  const kinds: Omit<OwnRight, 'verb'>[] = [
    ...ofCluster.map(([group, resource]) => ({ group, resource })),
    ...inRegistry.map(([group, resource]) => ({ group, resource, namespace })),
    ...(settings.trustNodes
      ? inNodes.map(([group, resource]) => ({ group, resource, namespace: nodeNamespace }))
      : []),
    ...(settings.trustNodes && (await lackedForBinding(cluster)).length === 0
      ? bounds.map(([group, resource]) => ({ group, resource }))
      : []),
    ...(settings.admission
      ? [
          ...ofAdmission.map(([group, resource]) => ({ group, resource, namespace })),
          { group: 'admissionregistration.k8s.io', resource: 'validatingwebhookconfigurations' },
        ]
      : []),
    ...(settings.ingressClass === undefined
      ? []
      : [{ group: 'networking.k8s.io', resource: 'ingresses', namespace }]),
    ...(settings.storage.kind === 'local' ? [{ group: '', resource: 'persistentvolumes' }] : []),
    { group: rbac, resource: 'rolebindings', namespace: 'kube-system' },
  ]
  const changes = kinds.flatMap((kind) => ['create', 'patch', 'get'].map((verb) => ({ ...kind, verb })))
  const looks: OwnRight[] = [
    { verb: 'list', group: '', resource: 'nodes' },
    { verb: 'list', group: policyGroup, resource: 'trowpolicies' },
    { verb: 'list', group: '', resource: 'pods', namespace },
    { verb: 'list', group: '', resource: 'events', namespace },
    { verb: 'create', group: '', resource: 'pods/portforward', namespace },
  ]
  const all = [...changes, ...looks]
  if (await cluster.may({ verb: '*', group: '*', resource: '*' })) {
    const checks = [check([], all.length), passed('grants', grants)]
    return { categoryName: 'permissions', checks }
  }
  const answers = await Promise.all(all.map((right) => cluster.may(right)))
  const refused = all.filter((_right, index) => answers[index] !== true)
  const checks = [check(refused, all.length), await grantCheck(cluster)]
  return { categoryName: 'permissions', checks }
}

function check(refused: readonly OwnRight[], asked: number): PreflightCheck {
  const description = `you may create and change everything that is installed (${counted(asked, 'right')} asked for)`
  if (refused.length === 0) return passed('permissions', description)
  const byKind = new Map<string, string[]>()
  for (const { verb, group, resource, namespace } of refused) {
    const kind = `${resource}${group === '' ? '' : `.${group}`}${namespace === undefined ? '' : ` in ${namespace}`}`
    byKind.set(kind, [...(byKind.get(kind) ?? []), verb])
  }
  const words = [...byKind].map(([kind, verbs]) => `${verbs.join(', ')} ${kind}`).join('; ')
  return failed(
    'permissions',
    description,
    `you may not: ${words}`,
    'Somebody with ClusterRole cluster-admin can install, or apply what --dry-run=client -o yaml prints.',
  )
}

/** RBAC lets a user grant only rights that the user has, unless the user may escalate and bind. */
async function grantCheck(cluster: PreflightContext['cluster']): Promise<PreflightCheck> {
  const asked: OwnRight[] = [
    { verb: 'escalate', group: rbac, resource: 'clusterroles' },
    { verb: 'bind', group: rbac, resource: 'clusterroles' },
  ]
  const may = (await Promise.all(asked.map((right) => cluster.may(right)))).every(Boolean)
  return may
    ? passed('grants', grants)
    : failed(
        'grants',
        grants,
        'you may not escalate and bind ClusterRoles, so the API server refuses roles with rights that you lack',
        'Ask for ClusterRole cluster-admin.',
      )
}
