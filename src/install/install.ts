import { faultLines } from '../cluster/grouped-faults.ts'
import { names } from '../cluster/layout.ts'
import { UserError } from '../user-error.ts'
import { agentFaults, AgentWatch, nodesWithAgents } from './agent-watch.ts'
import { apply, applyAll, asked, referenceOf } from './apply.ts'
import type { Bundle } from '../cluster/config-data.ts'
import { checkAuthorityNames, ensureAuthority } from './authority.ts'
import { canaryImage, canaryReference } from '../oci/canary-image.ts'
import { explained, nameOf } from './cluster-error.ts'
import { ownsDiscovery } from './discovery.ts'
import { gatherFacts } from './facts.ts'
import { addressesOf } from './given-addresses.ts'
import { installAdmission } from './install-admission.ts'
import { step, type InstallContext } from './install-context.ts'
import type { InstallFacts } from './install-settings.ts'
import { nodeSettings, nodeSettingsMap, nodeSettingsOfBefore } from './node-objects.ts'
import { oldDesiredState, removeOldDesiredState, publishedCanary } from './desired-state.ts'
import { waitForPulls, type NodePull } from './node-reports.ts'
import type { Plan } from './plan.ts'
import { withPods } from './passing-pods.ts'
import { applyPolicies, wantsBaseline } from './policy-objects.ts'
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
  /** One for each Ready node; empty with --no-trust-nodes. */
  readonly pulls: readonly NodePull[]
}

/**
 * Installs a registry in the cluster, or brings the existing one to these settings and this version. Every
 * step can be interrupted and repeated. Throws UserError; rejects with the signal's reason when the signal
 * aborts.
 */
export async function install(context: InstallContext, plan: Plan): Promise<Installed> {
  const { cluster, settings } = context
  const before = await asked(context, 'what is there', () => gatherFacts(cluster, settings, known(context)))
  await asked(context, 'the CA', () => checkAuthorityNames(cluster, settings, before))
  const discovery = await asked(context, 'kube-public', () => ownsDiscovery(cluster))
  const isUpgrade = await isThere(context)
  const baseline = await asked(context, 'policies', () => wantsBaseline(cluster, context.remembered))
  const options = { discovery, baseline }

  const early = wantedObjects(settings, before, options)
  await step(context, 'namespaces', () => applyAll(context, early.namespaces))
  await step(context, "trow's image, as nodes list or pull it", () => tryImageOrLeaveNothing(context, plan))
  await step(context, 'definitions of policies', () => applyPolicies(context, early))
  const facts = await step(context, 'accounts, roles and addresses', () => applyBase(context, early, before))
  const bundle = await step(context, 'certificate authority', async () => {
    try {
      return await ensureAuthority(cluster, settings, facts, context.crypto)
    } catch (error) {
      throw explained(error, 'the CA')
    }
  })
  const wanted = wantedObjects(settings, facts, options)
  await step(context, 'configuration', async () => {
    await makeFolder(context)
    await applyAll(context, wanted.configuration)
  })

  const earlierCanary = await publishDesiredState(context, facts, bundle)
  const agents = await startAll(context, wanted, facts, isUpgrade)
  const pulls = await proved(context, facts, bundle, { earlierCanary, agents })
  await installAdmission(context, facts)
  await removeExtraneous(context, plan)
  return { facts, bundle, pulls }
}

/** Returns whether a registry runs, even if the record of the last install is missing. */
async function isThere(context: InstallContext): Promise<boolean> {
  if (context.remembered?.version !== undefined) return true
  const { namespace } = context.settings
  const set = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: names.statefulSet, namespace }
  return (await asked(context, nameOf(set), () => context.cluster.get(set))) !== undefined
}

function known({ remembered, version, image }: InstallContext): Parameters<typeof gatherFacts>[2] {
  return { remembered, version, image: image.reference }
}

/** If no node can pull the image of a first install, the namespace is removed again. */
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

/** The Service gets its addresses in this step, and keeps them. */
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
      baseline: remembered?.baseline ?? false,
    }),
  )
  const applied = await applyAll(context, base)
  const service = applied.find(({ kind, metadata }) => kind === 'Service' && metadata.name === names.service)
  const facts: InstallFacts = { ...before, ...addressesOf(service) }
  if (JSON.stringify(facts) === JSON.stringify(before)) return facts
  const pinned = wantedObjects(settings, facts, { discovery: false, baseline: false }).base.filter(
    ({ kind, metadata }) => kind === 'Service' && metadata.name === names.service,
  )
  await applyAll(context, pinned)
  return facts
}

/** For the first install with --storage local: a pod creates the folder by mounting it. */
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

/** Agents pull the canary of the earlier install until there is a new one. */
async function publishDesiredState(
  context: InstallContext,
  facts: InstallFacts,
  bundle: Bundle,
): Promise<string | undefined> {
  const { cluster, settings } = context
  if (!settings.trustNodes) return undefined
  const canary = await asked(context, 'orders', () => publishedCanary(cluster, settings.namespace))
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
  // An upgrade may be interrupted between two nodes: agents of the earlier release still get their settings
  // in the old place until they are replaced.
  const before = await asked(context, 'orders', () => oldDesiredState(cluster, settings.namespace))
  if (before !== undefined) await apply(context, nodeSettingsOfBefore(map))
}

/**
 * Starts the agents before the registry: their proxies hold pulls while the registry's pod is replaced. A
 * first install does not wait for the agents, so that one node without an agent does not keep the other nodes
 * from being checked.
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
    await apply(context, rememberedMap({ settings, version, schema, clusterIps, nodePort, baseline: true }))
    await apply(context, registry)
    const pod = new RegistryWatch(cluster, registry, now)
    await waitUntil(context, 'the registry is ready', () => pod.look())
  })
  return watch
}

const replacedHint =
  'The registry stays as it is. trow status shows the agents; trow install again goes on from here.'

/**
 * Waits until every node that had an agent has the new one. An agent that fails on the first nodes would also
 * fail on the others.
 */
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
    // The DaemonSet replaces this many agents at a time (10 %); if as many are stuck, it does not continue.
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
  {
    earlierCanary,
    agents,
  }: { readonly earlierCanary: string | undefined; readonly agents: AgentWatch | undefined },
): Promise<readonly NodePull[]> {
  const image = canaryImage()
  const canary = canaryReference(image)
  await step(context, 'push of a tiny image', () => context.pushCanary(image))
  if (agents === undefined) {
    context.progress.warn('--no-trust-nodes: whether the nodes can pull was not tried')
    return []
  }
  const pulls = await step(context, 'pull of it on every node', async () => {
    if (earlierCanary !== canary) await applyNodeSettings(context, facts, bundle, canary)
    return waitForPulls(context, { canary, generation: bundle.generation }, agents)
  })
  await asked(context, 'orders', () => removeOldDesiredState(context.cluster, context.settings.namespace))
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
