import type { KubeObject } from '../cluster/cluster-objects.ts'
import { findAdmission, type AdmissionFound } from './admission-checks.ts'
import { names, type Layout } from '../cluster/layout.ts'
import { bindingReferences } from '../cluster/node-binding.ts'
import { reportsIn } from '../cluster/node-report.ts'
import { definitionName, everyPolicy, policyKinds } from '../cluster/policy-object.ts'
import type { Look, Seen } from './look.ts'
import type { PoliciesFound } from './policy-checks.ts'

type One = Seen<KubeObject | undefined>
type All = Seen<readonly KubeObject[]>

/** The objects of an install, as far as the user may read them. */
export interface FoundObjects {
  readonly settings: One
  readonly set: One
  readonly pods: All
  readonly slices: All
  readonly claims: All
  readonly authority: One
  readonly configuration: One
  readonly account: One
  readonly bundle: One
  /** The ConfigMap with the agents' settings. */
  readonly desiredState: One
  readonly daemons: One
  readonly agentAccount: One
  readonly agentPods: All
  readonly nodes: All
  readonly reports: All
  /** The admission policy that binds agents to their nodes, and its binding. */
  readonly bounds: readonly One[]
  readonly judged: PoliciesFound
  readonly admission: AdmissionFound
}

export async function findAll(look: Look, { namespace, nodeNamespace }: Layout): Promise<FoundObjects> {
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
  const [ofRegistry, ofNodes, judged, admission] = await Promise.all([
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
      inRegistry('ConfigMap', names.desiredState),
      inNodes('DaemonSet', names.agent, 'apps/v1'),
      inNodes('ServiceAccount', names.agent),
      podsOf('node', nodeNamespace),
      look.list({ apiVersion: 'v1', kind: 'Node' }),
      look.list(reportsIn(nodeNamespace)),
      Promise.all(bindingReferences.map((reference) => look.get(reference))),
    ]),
    findPolicies(look),
    findAdmission(look, namespace),
  ])
  const [settings, set, pods, slices, claims, authority, configuration, account, bundle] = ofRegistry
  const [desiredState, daemons, agentAccount, agentPods, nodes, reports, bounds] = ofNodes
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
    desiredState,
    daemons,
    agentAccount,
    agentPods,
    nodes,
    reports,
    bounds,
    judged,
    admission,
  }
}

export async function findPolicies(look: Look): Promise<PoliciesFound> {
  const [definitions, policies, exceptions] = await Promise.all([
    Promise.all(
      policyKinds.map(({ plural }) =>
        look.get({
          apiVersion: 'apiextensions.k8s.io/v1',
          kind: 'CustomResourceDefinition',
          name: definitionName(plural),
        }),
      ),
    ),
    look.list(everyPolicy('TrowPolicy')),
    look.list(everyPolicy('TrowException')),
  ])
  return { definitions, policies, exceptions }
}
