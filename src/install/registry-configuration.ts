import { createHash } from 'node:crypto'
import { stringify } from 'yaml'
import { names, ports } from '../cluster/layout.ts'
import type { KubeObject } from '../cluster/cluster-objects.ts'
import { labels, layoutOf } from '../cluster/layout.ts'
import { canaryRepository } from '../oci/canary-image.ts'
import { UserError, exitCode } from '../user-error.ts'
import {
  imageHosts,
  listenAddress,
  tlsNames,
  type InstallFacts,
  type InstallSettings,
} from './install-settings.ts'

/**
 * Settings of addresses and of paths in the pod. The objects of the install depend on them, so that a user
 * cannot set them.
 */
const ownKeys = [
  'listen',
  'data',
  'database',
  'tls-auto',
  'tls-ca',
  'tls-cert',
  'tls-key',
  'metrics-listen',
  'kubernetes',
  'kubeconfig',
  'audit-heads',
  'policy-dir',
  'policy-cluster',
  'policy-database',
]
/** Settings that name files. No volume brings such files into the pod. */
const fileKeys = ['database-password-file', 'htpasswd', 'client-ca', 'audit-webhook-secret', 'audit-folder']
/** Lists to which a user's own entries are added. */
const joined = ['tls-san', 'token-hosts', 'trusted-proxies', 'node-agents', 'access']

/** Throws UserError CONFIG_NOT_HERE for keys in a user's trow.yaml that a user cannot set in a cluster. */
export function checkConfiguration(configuration: InstallSettings['configuration']): void {
  const own = ownKeys.find((key) => key in configuration)
  const file = fileKeys.find((key) => key in configuration)
  if (own === undefined && file === undefined) return
  throw new UserError('CONFIG_NOT_HERE', `"${own ?? file}" cannot be set for a registry in the cluster`, {
    hint:
      own === undefined
        ? `It names a file, and no volume brings one into the pod; people and workloads have the cluster's identities.`
        : 'The install sets it; take it out of the file that --config names.',
    exitCode: exitCode.usage,
  })
}

/** Returns the registry's trow.yaml: the user's settings and those that the cluster needs. */
export function registryConfiguration(
  settings: InstallSettings,
  facts: InstallFacts,
): Readonly<Record<string, unknown>> {
  const { nodeNamespace } = layoutOf(settings.namespace)
  const certified = tlsNames(settings, facts)
  const own: Record<string, unknown> = {
    listen: listenAddress(ports.registry, facts.clusterIps),
    'metrics-listen': listenAddress(ports.metrics, facts.clusterIps),
    data: '/data',
    'tls-auto': true,
    'tls-ca': '/etc/trow/ca',
    'tls-san': certified,
    ...(settings.tlsSecret === undefined
      ? {}
      : { 'tls-cert': '/etc/trow/tls/tls.crt', 'tls-key': '/etc/trow/tls/tls.key' }),
    'token-hosts': [...new Set([...imageHosts(settings), ...certified])],
    ...(settings.trustedProxies.length === 0 ? {} : { 'trusted-proxies': settings.trustedProxies }),
    kubernetes: true,
    'node-agents': [`${nodeNamespace}:${names.agent}`],
    audit: 'on',
    'audit-heads': `${settings.namespace}/${names.auditHeads}`,
    'policy-cluster': true,
    'log-format': 'json',
    access: accessRules(settings),
  }
  const theirs = settings.configuration
  const all: Record<string, unknown> = { ...own, ...theirs }
  for (const key of joined) {
    const added = theirs[key]
    if (added !== undefined) all[key] = [...listOf(own[key] ?? []), ...listOf(added)]
  }
  return all
}

export function configurationMap(settings: InstallSettings, facts: InstallFacts): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: names.configuration,
      namespace: settings.namespace,
      labels: labels.of('registry'),
    },
    data: { 'trow.yaml': stringify(registryConfiguration(settings, facts), { lineWidth: 0 }) },
  }
}

/**
 * Changes with the configuration, so that the pod is replaced: the registry reads its configuration at its
 * start.
 */
export function configurationDigest(settings: InstallSettings, facts: InstallFacts): string {
  const text = JSON.stringify(registryConfiguration(settings, facts))
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

/**
 * The registry's own account pushes the canary if the registry does not know the identity of the user who
 * installs. The agents' account pulls it if their nodes have no certificate.
 */
function accessRules({ anonymousPull, namespace }: InstallSettings): object[] {
  const own = `system:serviceaccount:${namespace}:${names.serviceAccount}`
  const agents = `system:serviceaccount:${layoutOf(namespace).nodeNamespace}:${names.agent}`
  return [
    { who: ['nodes'], repositories: ['**'], actions: ['pull'] },
    { who: ['service-accounts'], repositories: ['{namespace}/**'], actions: ['pull'] },
    { who: [own], repositories: [canaryRepository], actions: ['pull', 'push'] },
    { who: [agents], repositories: [canaryRepository], actions: ['pull'] },
    ...(anonymousPull ? [{ who: ['anonymous'], repositories: ['**'], actions: ['pull'] }] : []),
  ]
}

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  return typeof value === 'string' ? value.split(',').map((each) => each.trim()) : [value]
}
