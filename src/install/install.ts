import { faultLines } from '../cluster/grouped-faults.ts'
import { names } from '../cluster/layout.ts'
import { UserError } from '../user-error.ts'
import { agentFaults, AgentWatch, nodesWithAgents } from './agent-watch.ts'
import { apply, applyAll, asked, referenceOf } from './apply.ts'
import type { Bundle } from '../cluster/config-data.ts'
import { checkAuthorityNames, ensureAuthority } from './authority.ts'
import { canaryImage, canaryReference } from './canary-image.ts'
import { explained, nameOf } from './cluster-error.ts'
import { ownsDiscovery } from './discovery.ts'
import { gatherFacts } from './facts.ts'
import { addressesOf } from './given-addresses.ts'
import { step, type InstallContext } from './install-context.ts'
import type { InstallFacts } from './install-settings.ts'
import { nodeSettings, nodeSettingsMap, nodeSettingsOfBefore } from './node-objects.ts'
import { ordersOfBefore, removeOrdersOfBefore, toldCanary } from './told-orders.ts'
import { waitForPulls, type NodePull } from './node-reports.ts'
import type { Plan } from './plan.ts'
import { withPods } from './passing-pods.ts'
import { hasImage, isHeldBack, podReason, pullFailure } from './pod-state.ts'
import { localVolume } from './registry-objects.ts'
import { rememberedMap } from './remembered.ts'
import { tryImage } from './try-image.ts'
import { waitUntil } from './waiting.ts'
import { wantedObjects, type WantedObjects } from './wanted-objects.ts'
import { RegistryWatch } from './registry-watch.ts'
import { waysToBring } from './ways-to-bring.ts'

export interface Installed {
  readonly facts: InstallFacts
  readonly bundle: Bundle
  /** One a Ready node; none with --no-trust-nodes. */
  readonly pulls: readonly NodePull[]
}

/**
 * Puts a registry into the cluster, or brings the one there to these settings and this version. Every step may be cut off
 * and done again. Throws UserError; rejects with the signal's reason when it ends.
 */
export async function install(context: InstallContext, plan: Plan): Promise<Installed> {
  const { cluster, settings } = context
  const before = await asked(context, 'what is there', () => gatherFacts(cluster, settings, known(context)))
  await asked(context, 'the CA', () => checkAuthorityNames(cluster, settings, before))
  const discovery = await asked(context, 'kube-public', () => ownsDiscovery(cluster))
  const isUpgrade = await isThere(context)

  const early = wantedObjects(settings, before, { discovery })
  await step(context, 'namespaces', () => applyAll(context, early.namespaces))
  await step(context, "trow's image, as nodes list or pull it", () => tryImageOrLeaveNothing(context, plan))
  const facts = await step(context, 'accounts, roles and addresses', () => applyBase(context, early, before))
  const bundle = await step(context, 'certificate authority', async () => {
    try {
      return await ensureAuthority(cluster, settings, facts, context.crypto)
    } catch (error) {
      throw explained(error, 'the CA')
    }
  })
  const wanted = wantedObjects(settings, facts, { discovery })
  await step(context, 'configuration', async () => {
    await makeFolder(context)
    await applyAll(context, wanted.configuration)
  })

  const told = await tellNodes(context, facts, bundle)
  const agents = await startAll(context, wanted, facts, isUpgrade)
  const pulls = await proved(context, facts, bundle, { told, agents })
  await removeExtraneous(context, plan)
  return { facts, bundle, pulls }
}

/** A registry runs, whether the last install is remembered or not. */
async function isThere(context: InstallContext): Promise<boolean> {
  if (context.remembered?.version !== undefined) return true
  const { namespace } = context.settings
  const set = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: names.statefulSet, namespace }
  return (await asked(context, nameOf(set), () => context.cluster.get(set))) !== undefined
}

function known({ remembered, version, image }: InstallContext): Parameters<typeof gatherFacts>[2] {
  return { remembered, version, image: image.reference }
}

/** A first install whose image nobody can pull leaves no namespace behind. */
async function tryImageOrLeaveNothing(context: InstallContext, plan: Plan): Promise<void> {
  try {
    await tryImage(context)
  } catch (error) {
    if (!(error instanceof UserError) || error.code !== 'IMAGE_UNPULLABLE') throw error
    const made = plan.objects.filter(
      ({ object, action }) => object.kind === 'Namespace' && action === 'create',
    )
    await Promise.allSettled(made.map(({ object }) => context.cluster.delete(referenceOf(object))))
    throw error
  }
}

/** The Service gets its addresses here, and keeps them. */
async function applyBase(
  context: InstallContext,
  { base }: WantedObjects,
  before: InstallFacts,
): Promise<InstallFacts> {
  const { settings, remembered } = context
  await apply(
    context,
    rememberedMap({
      settings,
      version: remembered?.version,
      schema: remembered?.schema,
      clusterIps: before.clusterIps,
      nodePort: remembered?.nodePort,
    }),
  )
  const applied = await applyAll(context, base)
  const service = applied.find(({ kind, metadata }) => kind === 'Service' && metadata.name === names.service)
  const facts: InstallFacts = { ...before, ...addressesOf(service) }
  if (JSON.stringify(facts) === JSON.stringify(before)) return facts
  const pinned = wantedObjects(settings, facts, { discovery: false }).base.filter(
    ({ kind, metadata }) => kind === 'Service' && metadata.name === names.service,
  )
  await applyAll(context, pinned)
  return facts
}

/** --storage local, the first time: a pod makes the folder by mounting it. */
async function makeFolder(context: InstallContext): Promise<void> {
  const local = localVolume(context.settings, context.image.reference)
  if (local === undefined) return
  const { cluster } = context
  const volume = referenceOf(local.volume)
  if ((await asked(context, nameOf(volume), () => cluster.get(volume))) !== undefined) return
  if (!context.settings.trustNodes) {
    context.progress.warn('--no-trust-nodes: no pod may make the folder of --storage local; it must be there')
    return
  }
  const reference = referenceOf(local.folder)
  await withPods(context, [local.folder], 'the folder of the images is made', async () => {
    const pod = await cluster.get(reference)
    if (pod !== undefined && hasImage(pod) && pullFailure(pod) === undefined) return { done: true }
    const text = pod === undefined ? 'its pod is about to be made' : await podReason(cluster, pod)
    const stuck = pod !== undefined && isHeldBack(pod)
    return { done: false, reasons: [{ text }], stuck, ...(stuck ? { hint: waysToBring } : {}) }
  })
}

/** Agents pull the canary of the install before until there is a new one. */
async function tellNodes(
  context: InstallContext,
  facts: InstallFacts,
  bundle: Bundle,
): Promise<string | undefined> {
  const { cluster, settings } = context
  if (!settings.trustNodes) return undefined
  const canary = await asked(context, 'orders', () => toldCanary(cluster, settings.namespace))
  await applyNodeSettings(context, facts, bundle, canary)
  return canary
}

async function applyNodeSettings(
  context: InstallContext,
  facts: InstallFacts,
  bundle: Bundle,
  canary: string | undefined,
): Promise<void> {
  const { cluster, settings } = context
  const content = nodeSettings(settings, facts, { generation: bundle.generation, canary })
  const map = nodeSettingsMap(settings.namespace, content, bundle.certificates)
  await apply(context, map)
  // An upgrade may be cut off between two nodes: agents of before find what they follow until they are replaced.
  const before = await asked(context, 'orders', () => ordersOfBefore(cluster, settings.namespace))
  if (before !== undefined) await apply(context, nodeSettingsOfBefore(map))
}

/**
 * Agents before the registry: theirs are the proxies that hold pulls while its pod is replaced. A first install does not wait
 * for them: a node without one keeps no other from being proved.
 */
async function startAll(
  context: InstallContext,
  wanted: WantedObjects,
  facts: InstallFacts,
  isUpgrade: boolean,
): Promise<AgentWatch | undefined> {
  const { cluster, settings, version, schema, now } = context
  const { agents, registry } = wanted
  const watch = agents && new AgentWatch(cluster, agents, now)
  if (agents !== undefined && watch !== undefined) {
    await step(context, 'agents of the nodes', async () => {
      const { namespace } = agents.metadata
      const before = isUpgrade ? await nodesWithAgents(cluster, namespace) : undefined
      await apply(context, agents)
      if (before !== undefined) await replaced(context, watch, before)
    })
  }
  await step(context, 'registry', async () => {
    const { clusterIps, nodePort } = facts
    await apply(context, rememberedMap({ settings, version, schema, clusterIps, nodePort }))
    await apply(context, registry)
    const pod = new RegistryWatch(cluster, registry, now)
    await waitUntil(context, 'the registry is ready', () => pod.look())
  })
  return watch
}

const replacedHint =
  'The registry stays as it is. trow status shows the agents; trow install again goes on from here.'

/** Every node that had an agent has the new one. What does not start on the first of them would not on the others. */
async function replaced(
  context: InstallContext,
  watch: AgentWatch,
  before: ReadonlySet<string>,
): Promise<void> {
  await waitUntil(context, 'the agents are replaced before the registry is', async () => {
    const states = await watch.look(before)
    const open = states.filter(({ state }) => state !== 'ready')
    if (open.length === 0) return { done: true }
    const failed = open.filter(({ state }) => state === 'stuck')
    // As many at a time as the DaemonSet replaces: it goes no further.
    const stuck = failed.length === open.length || failed.length >= Math.max(1, Math.ceil(states.length / 10))
    return stuck
      ? { done: false, reasons: agentFaults(failed), stuck, hint: failed[0]?.hint ?? replacedHint }
      : { done: false, reasons: agentFaults(open) }
  })
}

async function proved(
  context: InstallContext,
  facts: InstallFacts,
  bundle: Bundle,
  { told, agents }: { readonly told: string | undefined; readonly agents: AgentWatch | undefined },
): Promise<readonly NodePull[]> {
  const image = canaryImage()
  const canary = canaryReference(image)
  await step(context, 'push of a tiny image', () => context.pushCanary(image))
  if (agents === undefined) {
    context.progress.warn('--no-trust-nodes: whether the nodes can pull was not tried')
    return []
  }
  const pulls = await step(context, 'pull of it on every node', async () => {
    if (told !== canary) await applyNodeSettings(context, facts, bundle, canary)
    return waitForPulls(context, { canary, generation: bundle.generation }, agents)
  })
  await asked(context, 'orders', () => removeOrdersOfBefore(context.cluster, context.settings.namespace))
  const notes = pulls.flatMap(({ node, note }) => (note === undefined ? [] : [{ node, text: note }]))
  for (const line of faultLines(notes)) context.progress.warn(`node ${line}`)
  return pulls
}

async function removeExtraneous(context: InstallContext, { extraneous }: Plan): Promise<void> {
  if (!context.prune || extraneous.length === 0) return
  await step(context, 'objects that are not wanted any more', async () => {
    for (const each of extraneous) await asked(context, nameOf(each), () => context.cluster.delete(each))
  })
}
