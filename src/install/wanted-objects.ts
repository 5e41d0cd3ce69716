import type { KubeObject } from '../cluster/cluster-objects.ts'
import { layoutOf } from '../cluster/layout.ts'
import { accessObjects, discoveryObject } from './access-objects.ts'
import type { InstallFacts, InstallSettings } from './install-settings.ts'
import { bindingObjects } from './binding-objects.ts'
import { nodeDaemonSet, nodeObjects } from './node-objects.ts'
import { configurationMap } from './registry-configuration.ts'
import { localVolume, registryObjects, registryStatefulSet } from './registry-objects.ts'
import { place, readTemplate } from './template.ts'
import type { Workload } from './workload.ts'

/** What an install is made of, in the order in which it is applied. CA, node settings and remembered settings are apart. */
export interface WantedObjects {
  readonly namespaces: readonly KubeObject[]
  /** Accounts, roles, addresses, policies: nothing of it runs. */
  readonly base: readonly KubeObject[]
  readonly configuration: readonly KubeObject[]
  /** Undefined with --no-trust-nodes. */
  readonly agents: Workload | undefined
  readonly registry: Workload
}

export function wantedObjects(
  settings: InstallSettings,
  facts: InstallFacts,
  options: { readonly discovery: boolean },
): WantedObjects {
  const { nodeNamespace } = layoutOf(settings.namespace)
  const volume = localVolume(settings, facts.image)?.volume
  return {
    namespaces: namespaceObjects(settings).filter(
      ({ metadata }) => settings.trustNodes || metadata.name !== nodeNamespace,
    ),
    base: [
      ...registryObjects(settings, facts),
      ...accessObjects(settings),
      ...(settings.trustNodes ? nodeObjects(settings) : []),
      ...(settings.trustNodes && facts.bindsNodes ? bindingObjects(settings) : []),
      ...(options.discovery ? [discoveryObject(settings)] : []),
    ],
    configuration: [configurationMap(settings, facts), ...(volume === undefined ? [] : [volume])],
    agents: settings.trustNodes ? nodeDaemonSet(settings, facts) : undefined,
    registry: registryStatefulSet(settings, facts),
  }
}

export function allObjects(wanted: WantedObjects): KubeObject[] {
  const { namespaces, base, configuration, agents, registry } = wanted
  return [...namespaces, ...base, ...configuration, ...(agents === undefined ? [] : [agents]), registry]
}

function namespaceObjects(settings: InstallSettings): KubeObject[] {
  return readTemplate('namespaces').map((object) =>
    place(
      object,
      layoutOf(settings.namespace),
      object.metadata.labels?.['app.kubernetes.io/component'] ?? 'registry',
    ),
  )
}
