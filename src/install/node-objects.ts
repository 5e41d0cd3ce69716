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
import { withContainer, withPods, type Workload } from './workload.ts'

/** The agents' objects but the DaemonSet. */
export function nodeObjects(settings: InstallSettings): KubeObject[] {
  const layout = layoutOf(settings.namespace)
  return readTemplate('node')
    .filter(({ kind }) => kind !== 'DaemonSet')
    .map((object) => place(object, layout, 'node'))
}

export function nodeDaemonSet(settings: InstallSettings, facts: InstallFacts): Workload {
  const template = pick<Workload>(readTemplate('node'), 'DaemonSet')
  return withPods(place(template, layoutOf(settings.namespace), 'node'), 'node', (spec) => {
    const running = withImage(spec, facts.image)
    return settings.restartRuntime ? withRuntimeInReach(running) : running
  })
}

/** To restart a runtime the agent asks the node's own init, which no container can do without these. */
function withRuntimeInReach(spec: Workload['spec']['template']['spec']): typeof spec {
  return {
    ...withContainer(spec, (container) => ({
      ...container,
      securityContext: { runAsUser: 0, runAsGroup: 0, privileged: true, readOnlyRootFilesystem: true },
    })),
    hostPID: true,
  }
}

/** What the agents are told. */
export function nodeSettings(
  settings: InstallSettings,
  facts: InstallFacts,
  told: { readonly generation: number; readonly canary: string | undefined },
): NodeSettings {
  const nodePort = hasNodePort(settings) ? (settings.nodePort ?? facts.nodePort) : undefined
  return {
    version: 1,
    mode: 'trust',
    generation: told.generation,
    hosts: imageHosts(settings),
    registry: { namespace: settings.namespace, service: names.service },
    loopbackPort,
    clusterIps: [...facts.clusterIps],
    ...(nodePort === undefined ? {} : { nodePort }),
    ...(told.canary === undefined ? {} : { canary: told.canary }),
    restartRuntime: settings.restartRuntime,
    issueCertificates: true,
    editHosts: settings.editHosts,
  }
}

export function nodeSettingsMap(namespace: string, content: NodeSettings, bundle: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: names.agent,
      namespace: layoutOf(namespace).nodeNamespace,
      labels: labels.of('node'),
    },
    data: { 'settings.json': JSON.stringify(content), 'ca.crt': bundle },
  }
}
