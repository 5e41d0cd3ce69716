import type { KubeObject } from '../cluster/cluster-objects.ts'
import { names, type Layout } from '../cluster/layout.ts'
import { bindingReferences } from '../cluster/node-binding.ts'
import { reportsIn } from '../cluster/node-report.ts'
import type { Look, Seen } from './look.ts'

type One = Seen<KubeObject | undefined>
type All = Seen<readonly KubeObject[]>

/** The objects of an install, as far as they may be seen. */
export interface Found {
  readonly settings: One
  readonly set: One
  readonly pods: All
  readonly slices: All
  readonly claims: All
  readonly authority: One
  readonly configuration: One
  readonly account: One
  readonly bundle: One
  /** What the agents were told. */
  readonly told: One
  readonly daemons: One
  readonly agentAccount: One
  readonly agentPods: All
  readonly nodes: All
  readonly reports: All
  /** What binds agents to their nodes, and where that holds. */
  readonly bounds: readonly One[]
}

export async function findAll(look: Look, { namespace, nodeNamespace }: Layout): Promise<Found> {
  const inRegistry = (kind: string, name: string, apiVersion = 'v1'): Promise<One> =>
    look.get({ apiVersion, kind, name, namespace })
  const inNodes = (kind: string, name: string, apiVersion = 'v1'): Promise<One> =>
    look.get({ apiVersion, kind, name, namespace: nodeNamespace })
  const podsOf = (component: string, where: string): Promise<All> =>
    look.list({
      apiVersion: 'v1',
      kind: 'Pod',
      namespace: where,
      labelSelector: `app.kubernetes.io/part-of=trow,app.kubernetes.io/component=${component}`,
    })
  const [ofRegistry, ofNodes] = await Promise.all([
    Promise.all([
      inRegistry('ConfigMap', names.settings),
      inRegistry('StatefulSet', names.statefulSet, 'apps/v1'),
      podsOf('registry', namespace),
      look.list({
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        namespace,
        labelSelector: `kubernetes.io/service-name=${names.service}`,
      }),
      look.list({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace }),
      inRegistry('Secret', names.authority),
      inRegistry('ConfigMap', names.configuration),
      inRegistry('ServiceAccount', names.serviceAccount),
      inRegistry('ConfigMap', names.bundle),
    ]),
    Promise.all([
      inRegistry('ConfigMap', names.orders),
      inNodes('DaemonSet', names.agent, 'apps/v1'),
      inNodes('ServiceAccount', names.agent),
      podsOf('node', nodeNamespace),
      look.list({ apiVersion: 'v1', kind: 'Node' }),
      look.list(reportsIn(nodeNamespace)),
      Promise.all(bindingReferences.map((reference) => look.get(reference))),
    ]),
  ])
  const [settings, set, pods, slices, claims, authority, configuration, account, bundle] = ofRegistry
  const [told, daemons, agentAccount, agentPods, nodes, reports, bounds] = ofNodes
  return {
    settings,
    set,
    pods,
    slices,
    claims,
    authority,
    configuration,
    account,
    bundle,
    told,
    daemons,
    agentAccount,
    agentPods,
    nodes,
    reports,
    bounds,
  }
}
