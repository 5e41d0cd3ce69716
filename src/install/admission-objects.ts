import {
  admissionClusterRules,
  admissionEnvironment,
  admissionNames,
  admissionPorts,
  admissionRules,
  serviceHost,
  webhookEntries,
  webhookWishes,
} from '../cluster/admission-layout.ts'
import type { KubeObject } from '../cluster/cluster-objects.ts'
import { labels, layoutOf, names } from '../cluster/layout.ts'
import type { InstallFacts, InstallSettings } from './install-settings.ts'
import { configurationDigest } from './registry-configuration.ts'
import { withImage } from './registry-objects.ts'
import { pick, place, readTemplate } from './template.ts'
import { withContainer, withPods, type PodSpec, type Workload } from './workload.ts'

export interface WantedAdmission {
  /** Accounts, rights, the Service, and what the pods write. */
  readonly base: readonly KubeObject[]
  readonly pods: Workload
  /** ConfigMap with what is wanted of the webhook. */
  readonly wishes: KubeObject
  /** ValidatingWebhookConfiguration. */
  readonly webhooks: KubeObject
}

const component = 'admission'
const rbac = 'rbac.authorization.k8s.io/v1'

/** Undefined with `--admission off`. */
export function wantedAdmission(settings: InstallSettings, facts: InstallFacts): WantedAdmission | undefined {
  if (!settings.admission) return undefined
  return {
    base: baseObjects(settings),
    pods: admissionDeployment(settings, facts),
    wishes: wishesMap(settings),
    webhooks: webhookConfiguration(settings, facts),
  }
}

/** In the order in which they are applied: the webhooks come last. */
export function admissionObjects({ base, pods, wishes, webhooks }: WantedAdmission): KubeObject[] {
  return [...base, pods, wishes, webhooks]
}

/** Namespaces in which nothing is judged, by name: those of the cluster and of trow, and those that were given. */
export function excludedNamespaces({ namespace, exemptNamespaces }: InstallSettings): string[] {
  const { nodeNamespace } = layoutOf(namespace)
  const own = ['kube-system', 'kube-public', 'kube-node-lease', namespace, nodeNamespace]
  return [...new Set([...own, ...exemptNamespaces])]
}

function baseObjects(settings: InstallSettings): KubeObject[] {
  const layout = layoutOf(settings.namespace)
  const metadata = { name: admissionNames.workload, labels: labels.of(component) }
  return [
    ...readTemplate('admission')
      .filter(({ kind }) => kind !== 'Deployment')
      .map((object) => place(object, layout, component)),
    { apiVersion: rbac, kind: 'ClusterRole', metadata, rules: admissionClusterRules },
    {
      apiVersion: rbac,
      kind: 'Role',
      metadata: { ...metadata, namespace: settings.namespace },
      rules: admissionRules,
    },
  ]
}

function admissionDeployment(settings: InstallSettings, facts: InstallFacts): Workload {
  const { namespace, tenants } = settings
  // The floor sees what the webhooks see.
  const exempt = ['--exempt', excludedNamespaces(settings).join(',')]
  const template = pick<Workload>(readTemplate('admission'), 'Deployment')
  return withPods(
    place(template, layoutOf(namespace), component),
    component,
    (spec) =>
      withContainer(withImage(withRegistryName(spec, settings, facts), facts.image), (container) => ({
        ...container,
        args: [...container.args, '--namespace', namespace, '--tenants', tenants, ...exempt],
        env: Object.entries(admissionEnvironment).map(([name, value]) => ({ name, value })),
      })),
    { 'trow.io/configuration': configurationDigest(settings, facts) },
  )
}

/** The registry's name leads to its Service while the cluster's DNS is away, too. */
function withRegistryName(spec: PodSpec, { namespace }: InstallSettings, facts: InstallFacts): PodSpec {
  const hostnames = [serviceHost(names.service, namespace)]
  if (facts.clusterIps.length === 0) return spec
  return { ...spec, hostAliases: facts.clusterIps.map((ip) => ({ ip, hostnames })) }
}

function wishesMap(settings: InstallSettings): KubeObject {
  const { namespace, admissionFailurePolicy, exemptNamespaces } = settings
  const isFail = admissionFailurePolicy === 'fail'
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: admissionNames.wishes, namespace, labels: labels.of(component) },
    data: {
      [webhookWishes.failurePolicy]: isFail ? 'Fail' : 'Ignore',
      ...(isFail ? { [webhookWishes.excluded]: exemptNamespaces.join(',') } : {}),
    },
  }
}

interface WebhookTemplate extends KubeObject {
  readonly webhooks: readonly { readonly name: string; readonly [field: string]: unknown }[]
}

/** The pods add caBundle, and raise failurePolicy to Fail. What they have raised is said again: it is not theirs alone. */
function webhookConfiguration(settings: InstallSettings, { failsClosed = false }: InstallFacts): KubeObject {
  const { namespace } = settings
  const template = pick<WebhookTemplate>(readTemplate('admission-webhooks'), 'ValidatingWebhookConfiguration')
  const values = excludedNamespaces(settings)
  const key = 'kubernetes.io/metadata.name'
  const webhooks = template.webhooks.map((webhook) => {
    const entry = Object.values(webhookEntries).find(({ name }) => name === webhook.name)
    if (entry === undefined) throw new Error(`there is no entry ${webhook.name}`)
    const { name, path, timeoutSeconds } = entry
    const isNamespaced = name !== webhookEntries.policies.name
    return {
      ...webhook,
      failurePolicy: failsClosed && name === webhookEntries.pods.name ? 'Fail' : 'Ignore',
      timeoutSeconds,
      clientConfig: {
        service: { namespace, name: admissionNames.workload, path, port: admissionPorts.service },
      },
      ...(isNamespaced
        ? { namespaceSelector: { matchExpressions: [{ key, operator: 'NotIn', values }] } }
        : {}),
    }
  })
  return { ...place(template, layoutOf(namespace), component), webhooks }
}
