import type { ClusterObjects, KubeReference } from '../../cluster/cluster-objects.ts'
import { passed, warned, type PreflightCheck } from '../check.ts'

const admission = 'admissionregistration.k8s.io/v1'

/** What the shell installer of 2019 and its quick install have left behind. */
const leftovers: readonly KubeReference[] = [
  { apiVersion: 'apps/v1', kind: 'Deployment', name: 'trow-deploy', namespace: 'kube-public' },
  { apiVersion: 'v1', kind: 'Service', name: 'trow', namespace: 'kube-public' },
  { apiVersion: 'v1', kind: 'ConfigMap', name: 'trow-cert', namespace: 'kube-public' },
  { apiVersion: 'v1', kind: 'ConfigMap', name: 'trow-ca-cert', namespace: 'kube-public' },
  { apiVersion: 'v1', kind: 'ServiceAccount', name: 'trow', namespace: 'kube-public' },
  { apiVersion: admission, kind: 'ValidatingWebhookConfiguration', name: 'trow-validator' },
]

export async function leftoverCheck(cluster: ClusterObjects): Promise<PreflightCheck> {
  const description = 'the installer of 2019 has left nothing'
  const [found, jobs] = await Promise.all([
    Promise.all(leftovers.map(async (each) => ((await cluster.get(each)) === undefined ? [] : [each]))),
    cluster.list({ apiVersion: 'batch/v1', kind: 'Job', namespace: 'kube-public' }),
  ])
  const copies = jobs
    .filter(({ metadata }) => metadata.name.startsWith('copy-certs'))
    .map(({ metadata }) => ({ kind: 'Job', name: metadata.name, namespace: 'kube-public' }))
  const all = [...found.flat(), ...copies]
  if (all.length === 0) return passed('leftovers', description)
  const named = all.map(({ kind, name }) => `${kind} ${name}`).join(', ')
  const remove = all.map(({ kind, name, namespace }) => {
    const where = namespace === undefined ? '' : ` -n ${namespace}`
    return `kubectl delete ${kind.toLowerCase()} ${name}${where}`
  })
  return warned(
    'leftovers',
    description,
    `still there: ${named}. Its webhook refuses pods while its registry is away.`,
    `${remove.join('; ')}; on each node remove the line "# Added by trow install" from /etc/hosts and ` +
      '/etc/docker/certs.d/trow.kube-public:31000.',
  )
}
