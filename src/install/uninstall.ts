import { counted } from '../counted.ts'
import { admissionNames, floorParts } from '../cluster/admission-layout.ts'
import type { ClusterObjects, KubeObject, KubeReference } from '../cluster/cluster-objects.ts'
import { names, type Layout } from '../cluster/layout.ts'
import { nodeFacts, takesAgent } from '../cluster/node-facts.ts'
import { pullIdentityProblem, readNodeReport, reportLife, reportsIn } from '../cluster/node-report.ts'
import { isReady } from '../cluster/pod-problem.ts'
import { split } from '../split.ts'
import { noteDataVersion } from './kept-data.ts'
import { NodePresence } from './node-presence.ts'
import { patientObjects, type PatientObjects } from './patient-objects.ts'
import { allDesiredStates } from './desired-state.ts'
import { print, type UninstallPlan } from './uninstall-plan.ts'

export interface UninstallParts {
  readonly objects: ClusterObjects
  readonly layout: Layout
  readonly now: () => number
  readonly pause: (milliseconds: number) => Promise<void>
  readonly say: (text: string) => void
}

const poll = 1000
/** What is gone some time after its deletion. */
const slowKinds: ReadonlySet<string> = new Set(['Namespace', 'PersistentVolume', 'CustomResourceDefinition'])
/**
 * Milliseconds after the nodes' deadline during which an API server that is away is retried: half an
 * uninstall is of no use.
 */
const patience = 60_000

/**
 * First takes webhooks and floor away, then lets every agent undo its changes on its node, then deletes in the plan's order. Returns the nodes
 * that did not report the end of their undo before the deadline (milliseconds since the epoch). An outage of the API server
 * does not count.
 */
export async function uninstall(
  given: UninstallParts,
  { plan, deadline }: { readonly plan: UninstallPlan; readonly deadline: number },
): Promise<readonly string[]> {
  const { say, layout, now, pause } = given
  const objects = patientObjects(given.objects, { deadline: deadline + patience, now, pause, tell: say })
  const parts: PatientParts = {
    ...given,
    objects,
    isLate: () => now() >= deadline + objects.absence.milliseconds,
  }
  await noteDataVersion(objects, layout.namespace, plan.claims)
  const [webhooks, others] = split(plan.objects, ({ kind }) => kind.endsWith('WebhookConfiguration'))
  for (const reference of webhooks) await objects.delete(reference)
  const [ofFloor, rest] = split(others, (reference) => isKeeper(reference) || isOfFloor(reference))
  const removeFloor = async (): Promise<void> => {
    // Without rights the admission pods cannot put back what they keep, while they end.
    for (const reference of ofFloor.filter(isKeeper)) await objects.delete(reference)
    for (const reference of floorParts) await objects.delete(reference)
  }
  if (ofFloor.length > 0) await removeFloor()
  const silent = await undoNodes(parts)
  const [slow, quick] = split(rest, ({ kind }) => slowKinds.has(kind))
  for (const reference of quick) await objects.delete(reference)
  // An API server may take a moment until rights are gone.
  if (ofFloor.length > 0) await removeFloor()
  say(`deleted ${counted(ofFloor.length + quick.length, 'object')}`)
  for (const reference of slow) await objects.delete(reference)
  // A namespace is gone once everything in it is gone. A rest would stop the next install, so this waits.
  for (const reference of slow) {
    const isThere = async (): Promise<boolean> => (await objects.get(reference)) !== undefined
    let isLeft = await isThere()
    while (isLeft && !parts.isLate()) {
      await parts.pause(poll)
      isLeft = await isThere()
    }
    say(isLeft ? `${print(reference)} is still on its way out` : `deleted ${print(reference)}`)
  }
  return silent
}

/** What lets the admission pods make the floor again. */
function isKeeper({ kind, name }: KubeReference): boolean {
  return name === admissionNames.workload && (kind === 'Deployment' || kind === 'ClusterRoleBinding')
}

function isOfFloor({ kind, name }: KubeReference): boolean {
  return floorParts.some((part) => part.kind === kind && part.name === name)
}

interface PatientParts extends UninstallParts {
  readonly objects: PatientObjects
  /** Whether nodes and namespaces had their time. */
  readonly isLate: () => boolean
}

async function undoNodes({ objects, layout, now, pause, say, isLate }: PatientParts): Promise<string[]> {
  const { namespace, nodeNamespace } = layout
  const daemonSet = { apiVersion: 'apps/v1', kind: 'DaemonSet', name: names.agent, namespace: nodeNamespace }
  const [told, daemons] = await Promise.all([allDesiredStates(objects, namespace), objects.get(daemonSet)])
  if (told.length === 0 || daemons === undefined) return []
  for (const { reference, settings } of told)
    await objects.patch(reference, {
      data: { 'settings.json': JSON.stringify({ ...settings, mode: 'undo' }, undefined, 2) },
    })
  say('the agents were told to take their nodes back')
  let done = new Set<string>()
  const faults = new Map<string, string>()
  const presence = new NodePresence({ absence: () => objects.absence, now })
  for (;;) {
    const [nodes, reports] = await Promise.all([
      objects.list({ apiVersion: 'v1', kind: 'Node' }),
      objects.list(reportsIn(layout.nodeNamespace)),
    ])
    const known = new Map(reports.flatMap((report) => stateOf(report, now())))
    for (const [node, { phase, fault }] of known) {
      if (phase === 'undone' && !done.has(node)) say(`node ${node} is as it was`)
      if (fault !== undefined && faults.get(node) !== fault) say(`node ${node}: ${fault}`)
      if (fault !== undefined) faults.set(node, fault)
    }
    done = new Set([...known].filter(([, { phase }]) => phase === 'undone').map(([node]) => node))
    // An agent writes a report before it writes anything on its node: without a report there is nothing to
    // undo.
    const written = new Set(reports.map(({ metadata }) => metadata.name))
    const waiting = nodes.filter(
      (node) =>
        takesAgent(nodeFacts(node)) &&
        !done.has(node.metadata.name) &&
        written.has(names.report(node.metadata.name)),
    )
    // Only a node that is Ready and has a recent report can still finish.
    const able = waiting.filter((node) => {
      const { name } = node.metadata
      return presence.isPresent(name, isReady(node) && known.has(name))
    })
    if (able.length === 0 || isLate()) return waiting.map(({ metadata }) => metadata.name)
    await pause(poll)
  }
}

interface NodeState {
  readonly phase: string
  /** What prevents the undo on the node. */
  readonly fault: string | undefined
}

/** Returns the state from a report that is recent, or final (`undone`). */
function stateOf(map: KubeObject, now: number): [string, NodeState][] {
  const report = readNodeReport(map)
  if (report === undefined) return []
  const { node, phase, time } = report
  if (now - Date.parse(time) > reportLife && phase !== 'undone') return []
  const kept = pullIdentityProblem({ problems: report.problems.filter(({ fatal }) => fatal) })
  const fault = kept && [kept.message, kept.hint].filter((text) => text !== undefined).join(' ')
  return [[node, { phase, fault }]]
}
