import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { layoutOf, names } from '../cluster/layout.ts'
import { UserError } from '../user-error.ts'
import { ensureAuthority } from './authority.ts'
import type { InstallFacts, InstallSettings } from './install-settings.ts'
import { nodeSettings, nodeSettingsMap, nodeSettingsOfBefore } from './node-objects.ts'
import { ordersOfBefore, toldCanary } from './told-orders.ts'
import { withImage } from './registry-objects.ts'
import { readRemembered, rememberedMap } from './remembered.ts'
import { pick, place, readTemplate, withMetadata } from './template.ts'
import { allObjects, wantedObjects } from './wanted-objects.ts'
import { templateOf, withContainer, withPods, type Workload } from './workload.ts'

/**
 * All of an install as manifests without a secret: what is left is made in the cluster by a Job of the set
 * (`completeSet`). The Service's address is not known here, so nodes reach the registry through their agents alone.
 */
export function clientSet(settings: InstallSettings, facts: InstallFacts, schema: number): KubeObject[] {
  const { version } = facts
  const remembered = { settings, version, schema, clusterIps: [], nodePort: undefined }
  const [namespaces, others] = split(
    allObjects(wantedObjects(settings, facts, { discovery: true })),
    ({ kind }) => kind === 'Namespace',
  )
  return [...namespaces, rememberedMap(remembered), ...setupObjects(settings, facts), ...others]
}

/** What the set's Job does, as its own account: the CA where there is none, its bundle, what agents are told. */
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
  if (!settings.trustNodes) return bundle
  const told = { generation: bundle.generation, canary: await toldCanary(cluster, namespace) }
  const map = nodeSettingsMap(namespace, nodeSettings(settings, facts, told), bundle.certificates)
  await cluster.apply(map)
  if ((await ordersOfBefore(cluster, namespace)) !== undefined) await cluster.apply(nodeSettingsOfBefore(map))
  return bundle
}

/** A Job cannot be changed: its name says what it is of. */
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

function split<T>(all: readonly T[], isFirst: (one: T) => boolean): [T[], T[]] {
  return [all.filter(isFirst), all.filter((one) => !isFirst(one))]
}
