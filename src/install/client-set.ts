import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { layoutOf, names } from '../cluster/layout.ts'
import { UserError } from '../user-error.ts'
import { split } from '../split.ts'
import { wantedAdmission } from './admission-objects.ts'
import { ensureAuthority } from './authority.ts'
import type { InstallFacts, InstallSettings } from './install-settings.ts'
import { nodeSettings, nodeSettingsMap, nodeSettingsOfBefore } from './node-objects.ts'
import { oldDesiredState, publishedCanary } from './desired-state.ts'
import { withImage } from './registry-objects.ts'
import { readRemembered, rememberedMap } from './remembered.ts'
import { pick, place, readTemplate, withMetadata } from './template.ts'
import { allObjects, wantedObjects } from './wanted-objects.ts'
import { templateOf, withContainer, withPods, type Workload } from './workload.ts'

/**
 * Returns all manifests of an install without a secret. A Job among them makes the rest in the cluster
 * (`completeSet`). The Service's address is not known here, so that nodes reach the registry through their
 * agents only.
 */
export function clientSet(
  settings: InstallSettings,
  facts: InstallFacts,
  { schema, baseline }: { readonly schema: number; readonly baseline: boolean },
): KubeObject[] {
  const { version } = facts
  const remembered = { settings, version, schema, clusterIps: [], nodePort: undefined, baseline }
  const [first, others] = split(
    // A repository holds no Secret, not even an empty one: the Job makes it.
    allObjects(wantedObjects(settings, facts, { discovery: true, baseline })).filter(
      ({ kind }) => kind !== 'Secret',
    ),
    ({ kind }) => kind === 'Namespace' || kind === 'CustomResourceDefinition',
  )
  return [...first, rememberedMap(remembered), ...setupObjects(settings, facts), ...others]
}

/**
 * The work of the set's Job, with its own account: makes the CA if there is none, its bundle, the Secret that the admission pods
 * fill, and the agents' settings.
 */
export async function completeSet(
  cluster: ClusterObjects,
  namespace: string,
  known: { readonly version: string; readonly crypto: Crypto },
): Promise<{ readonly generation: number }> {
  const remembered = await readRemembered(cluster, namespace)
  if (remembered === undefined) {
    throw new UserError(
      'NOT_INSTALLED',
      `there is no ConfigMap ${names.settings} in namespace ${namespace}`,
      {
        hint: 'trow install --dry-run=client -o yaml prints it with everything else.',
      },
    )
  }
  const { settings } = remembered
  const facts: InstallFacts = {
    version: known.version,
    image: '',
    clusterIps: remembered.clusterIps,
    nodeAddresses: [],
    nodePort: settings.nodePort,
    bindsNodes: true,
  }
  const bundle = await ensureAuthority(cluster, settings, facts, known.crypto)
  for (const secret of (wantedAdmission(settings, facts)?.base ?? []).filter(({ kind }) => kind === 'Secret'))
    await cluster.apply(secret)
  if (!settings.trustNodes) return bundle
  const published = { generation: bundle.generation, canary: await publishedCanary(cluster, namespace) }
  const map = nodeSettingsMap(namespace, nodeSettings(settings, facts, published), bundle.certificates)
  await cluster.apply(map)
  if ((await oldDesiredState(cluster, namespace)) !== undefined)
    await cluster.apply(nodeSettingsOfBefore(map))
  return bundle
}

/** A Job cannot be changed, so that its name contains a digest of what it depends on. */
function setupObjects(settings: InstallSettings, { image, version }: InstallFacts): KubeObject[] {
  const layout = layoutOf(settings.namespace)
  const template = readTemplate('setup')
  const objects = template
    .filter(
      ({ kind, metadata }) => kind !== 'Job' && (settings.trustNodes || metadata.namespace !== 'trow-node'),
    )
    .map((object) => place(object, layout, 'setup'))
  const job = withPods(
    place(pick<Workload>(template, 'Job'), layout, 'setup'),
    'setup',
    (spec) =>
      withContainer(withImage(spec, image), (container) => ({
        ...container,
        args: [...container.args, '--namespace', settings.namespace],
      })),
    { 'trow.io/settings': JSON.stringify([settings, version]) },
  )
  const digest = templateOf(job.spec.template) ?? ''
  return [...objects, withMetadata(job, { name: `${job.metadata.name}-${digest}` })]
}
