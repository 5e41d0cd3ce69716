import type { KubeObject } from '../cluster/cluster-objects.ts'
import { labels, layoutOf, names } from '../cluster/layout.ts'
import type { NodeSettings } from '../cluster/node-settings.ts'
import {
  hasNodePort,
  imageHosts,
  loopbackPort,
  type InstallFacts,
  type InstallSettings,
} from './install-settings.ts'
import { withImage } from './registry-objects.ts'
import { pick, place, readTemplate } from './template.ts'
import { withContainer, withPods, type PodSpec, type Workload } from './workload.ts'

/** Returns all objects of the agents except the DaemonSet. */
export function nodeObjects(settings: InstallSettings): KubeObject[] {
  const layout = layoutOf(settings.namespace)
  return readTemplate('node')
    .filter(({ kind }) => kind !== 'DaemonSet')
    .map((object) => (settings.startupTaint ? withRightToTaints(object) : object))
    .map((object) => place(object, layout, 'node'))
}

/** Taints are a field of the Node; RBAC cannot permit a single field. */
function withRightToTaints(object: KubeObject): KubeObject {
  if (object.kind !== 'ClusterRole') return object
  return { ...object, rules: [...(object['rules'] as readonly object[]), patchNodes] }
}

const patchNodes = { apiGroups: [''], resources: ['nodes'], verbs: ['patch'] }

export function nodeDaemonSet(settings: InstallSettings, facts: InstallFacts): Workload {
  const template = pick<Workload>(readTemplate('node'), 'DaemonSet')
  return withPods(place(template, layoutOf(settings.namespace), 'node'), 'node', (spec) => {
    const running = withImageHosts(
      withNamespace(withImage(spec, facts.image), settings.namespace),
      imageHosts(settings),
    )
    return settings.restartRuntime ? withRuntimeInReach(running) : running
  })
}

/** A restart of the runtime uses the node's own systemctl, which needs all of the node's files and root. */
function withRuntimeInReach(spec: PodSpec): PodSpec {
  const partial = ['etc', 'run', 'var', 'proc']
  const whole = withContainer(spec, (container) => ({
    ...container,
    securityContext: {
      ...container.securityContext,
      capabilities: { drop: ['ALL'], add: ['DAC_OVERRIDE', 'SYS_CHROOT'] },
    },
    volumeMounts: [
      { name: 'host', mountPath: '/host', mountPropagation: 'HostToContainer' },
      ...container.volumeMounts.filter(({ name }) => !partial.includes(name)),
    ],
  }))
  return {
    ...whole,
    volumes: [
      { name: 'host', hostPath: { path: '/' } },
      ...spec.volumes.filter(({ name }) => !partial.includes(name)),
    ],
  }
}

/**
 * The hosts are arguments of the DaemonSet, which agents cannot write: the agents' settings may name no other
 * hosts.
 */
function withImageHosts(spec: PodSpec, hosts: readonly string[]): PodSpec {
  return withContainer(spec, (container) => ({
    ...container,
    args: [...container.args, ...hosts.flatMap((host) => ['--image-host', host])],
  }))
}

function withNamespace(spec: PodSpec, namespace: string): PodSpec {
  return withContainer(spec, (container) => ({
    ...container,
    env: container.env?.map((each) =>
      each.name === 'TROW_NAMESPACE' ? { ...each, value: namespace } : each,
    ),
  }))
}

/** Returns the settings that the agents receive. */
export function nodeSettings(
  settings: InstallSettings,
  facts: InstallFacts,
  published: { readonly generation: number; readonly canary: string | undefined },
): NodeSettings {
  const nodePort = hasNodePort(settings) ? (settings.nodePort ?? facts.nodePort) : undefined
  return {
    version: 1,
    mode: 'trust',
    generation: published.generation,
    hosts: imageHosts(settings),
    registry: { namespace: settings.namespace, service: names.service },
    loopbackPort,
    clusterIps: [...facts.clusterIps],
    ...(nodePort === undefined ? {} : { nodePort }),
    ...(published.canary === undefined ? {} : { canary: published.canary }),
    restartRuntime: settings.restartRuntime,
    pullIdentity: settings.pullIdentity,
    issueCertificates: true,
    editHosts: settings.editHosts,
    ...(settings.startupTaint ? { startupTaint: true } : {}),
  }
}

export function nodeSettingsMap(namespace: string, content: NodeSettings, bundle: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: names.desiredState,
      namespace,
      labels: labels.of('node'),
    },
    data: { 'settings.json': JSON.stringify(content), 'ca.crt': bundle },
  }
}

/**
 * Returns the same settings for the place in which agents of the earlier release look. Current agents read
 * nothing that agents can write.
 */
export function nodeSettingsOfBefore(map: KubeObject): KubeObject {
  const { namespace = '' } = map.metadata
  const metadata = { ...map.metadata, name: names.agent, namespace: layoutOf(namespace).nodeNamespace }
  return { ...map, metadata }
}
