import type { KubeObject } from '../cluster/cluster-objects.ts'
import { layoutOf } from '../cluster/layout.ts'
import { admissionObjects, wantedAdmission, type WantedAdmission } from './admission-objects.ts'
import { accessObjects, discoveryObject } from './access-objects.ts'
import type { InstallFacts, InstallSettings } from './install-settings.ts'
import { bindingObjects } from './binding-objects.ts'
import { nodeDaemonSet, nodeObjects } from './node-objects.ts'
import { baselinePolicy, policyDefinitions, type WantedPolicies } from './policy-objects.ts'
import { configurationMap } from './registry-configuration.ts'
import { localVolume, registryObjects, registryStatefulSet } from './registry-objects.ts'
import { place, readTemplate } from './template.ts'
import type { Workload } from './workload.ts'

/**
 * The objects of an install, in the order in which they are applied, without the CA, the agents' settings and
 * the stored install settings.
 */
export interface WantedObjects extends WantedPolicies {
  readonly namespaces: readonly KubeObject[]
  /** Accounts, roles, addresses and policies: nothing that runs. */
  readonly base: readonly KubeObject[]
  readonly configuration: readonly KubeObject[]
  /** `undefined` with --no-trust-nodes. */
  readonly agents: Workload | undefined
  readonly registry: Workload
  /** `undefined` with --admission off. */
  readonly admission: WantedAdmission | undefined
}

export function wantedObjects(
  settings: InstallSettings,
  facts: InstallFacts,
  options: { readonly discovery: boolean; readonly baseline: boolean },
): WantedObjects {
  const { nodeNamespace } = layoutOf(settings.namespace)
  const volume = localVolume(settings, facts.image)?.volume
  return {
    namespaces: namespaceObjects(settings).filter(
      ({ metadata }) => settings.trustNodes || metadata.name !== nodeNamespace,
    ),
    definitions: policyDefinitions(settings),
    baseline: options.baseline ? baselinePolicy(settings) : undefined,
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
    admission: wantedAdmission(settings, facts),
  }
}

export function allObjects(wanted: WantedObjects): KubeObject[] {
  const { namespaces, definitions, baseline, base, configuration, agents, registry, admission } = wanted
  const some = (object: KubeObject | undefined): KubeObject[] => (object === undefined ? [] : [object])
  return [
    ...namespaces,
    ...definitions,
    ...base,
    ...some(baseline),
    ...configuration,
    ...some(agents),
    registry,
    ...(admission === undefined ? [] : admissionObjects(admission)),
  ]
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
