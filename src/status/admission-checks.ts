import { z } from 'zod'
import { admissionNames, webhookEntries } from '../cluster/admission-layout.ts'
import { breakGlassLine } from '../cluster/break-glass-line.ts'
import type { Check } from '../cluster/check.ts'
import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { counted } from '../counted.ts'
import { dataOf } from '../cluster/config-data.ts'
import { lackedForBinding } from '../cluster/node-binding.ts'
import { isReady, nodeOf, podProblem } from '../cluster/pod-problem.ts'
import { lastForeignChange, webhookEntriesOf, type WebhookEntry } from '../cluster/webhook-configuration.ts'
import { findFloor, floorChecks, type FloorFound } from './floor-checks.ts'
import { hidden, orElse, type Look, type Seen } from './look.ts'

export interface AdmissionFound {
  readonly deployment: Seen<KubeObject | undefined>
  readonly pods: Seen<readonly KubeObject[]>
  readonly webhooks: Seen<KubeObject | undefined>
  /** ConfigMap with what is wanted of the webhook. */
  readonly wishes: Seen<KubeObject | undefined>
  readonly breakGlass: Seen<KubeObject | undefined>
  readonly floor: FloorFound
}

/** Undefined: it is not open. */
export type BreakGlassReader = (
  data: Readonly<Record<string, string>> | undefined,
  now: number,
) => { readonly until: number; readonly reason: string } | undefined

interface AdmissionView {
  readonly namespace: string
  readonly isWanted: boolean
  readonly nodes: readonly KubeObject[]
  readonly now: number
  readonly readBreakGlass: BreakGlassReader
  /** As `FloorView` has them. */
  readonly hashes: readonly string[] | undefined
  /** Whether nodes pull from trow: undefined where they are left alone. */
  readonly pulling: { readonly healthy: number; readonly nodes: number } | undefined
}

const textsSchema = z.record(z.string(), z.string())
const registrationVersion = 'admissionregistration.k8s.io/v1'
/** Field managers of trow: the install, and the admission pods. */
const ownManagers = ['trow', admissionNames.manager]
/** Milliseconds of an opening by the line that status proposes. */
const proposed = 30 * 60_000
const enough = 2

export async function findAdmission(look: Look, namespace: string): Promise<AdmissionFound> {
  const map = { apiVersion: 'v1', kind: 'ConfigMap', namespace }
  const [deployment, pods, webhooks, wishes, breakGlass, floor] = await Promise.all([
    look.get({ apiVersion: 'apps/v1', kind: 'Deployment', namespace, name: admissionNames.workload }),
    look.list({
      apiVersion: 'v1',
      kind: 'Pod',
      namespace,
      labelSelector: 'app.kubernetes.io/part-of=trow,app.kubernetes.io/component=admission',
    }),
    look.get({
      apiVersion: registrationVersion,
      kind: 'ValidatingWebhookConfiguration',
      name: admissionNames.webhooks,
    }),
    look.get({ ...map, name: admissionNames.wishes }),
    look.get({ ...map, name: admissionNames.breakGlass }),
    findFloor(look),
  ])
  return { deployment, pods, webhooks, wishes, breakGlass, floor }
}

/** Checks the pods that judge, who asks them, and what happens while they are down. */
export async function admissionChecks(
  objects: ClusterObjects,
  found: AdmissionFound,
  view: AdmissionView,
): Promise<Check[]> {
  const { webhooks } = found
  if (!view.isWanted) return [offCheck(webhooks)]
  return [
    ...(await podChecks(objects, found, view)),
    ...(webhooks === hidden ? [] : webhookChecks(webhooks, found, view)),
    ...floorChecks(found.floor, {
      ...view,
      isOpen: isOpen(found, view),
      lacks: await lackedForBinding(objects),
    }),
    nodesCheck(view),
    ...glassChecks(found, view),
  ]
}

function offCheck(webhooks: Seen<KubeObject | undefined>): Check {
  const description = 'pods are not judged when they are made (--admission off)'
  if (webhooks === hidden || webhooks === undefined) return { description, result: 'success' }
  return {
    description,
    result: 'error',
    error: 'the webhooks are still there, and ask pods that are not',
    hint: `kubectl delete validatingwebhookconfiguration ${admissionNames.webhooks}`,
  }
}

async function podChecks(
  objects: ClusterObjects,
  { deployment, pods }: AdmissionFound,
  { nodes, namespace }: AdmissionView,
): Promise<Check[]> {
  const description = 'two admission pods are ready'
  if (deployment === undefined)
    return [
      {
        description,
        result: 'error',
        error: `Deployment ${admissionNames.workload} is missing`,
        hint: 'Run trow install again.',
      },
    ]
  if (pods === hidden) return []
  const current = pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
  const ready = current.filter(isReady)
  if (ready.length >= enough) return [{ description, result: 'success' }, placeCheck(ready, nodes)]
  const problems = await Promise.all(
    current.filter((pod) => !isReady(pod)).map((pod) => problemText(objects, pod)),
  )
  return [
    {
      description,
      result: ready.length === 0 ? 'error' : 'warning',
      error: [`${ready.length} of them`, ...problems].join('; '),
      hint: `kubectl -n ${namespace} get pods -l app.kubernetes.io/component=admission`,
    },
  ]
}

async function problemText(objects: ClusterObjects, pod: KubeObject): Promise<string> {
  const problem = await podProblem(objects, pod)
  const words = [problem?.reason, problem?.message].filter((word) => word !== undefined && word !== '')
  return `pod ${pod.metadata.name}: ${words.length === 0 ? 'not ready yet' : words.join(': ')}`
}

function placeCheck(ready: readonly KubeObject[], nodes: readonly KubeObject[]): Check {
  const description = 'the admission pods run on different nodes'
  const places = new Set(ready.map(nodeOf))
  if (places.size > 1) return { description, result: 'success' }
  const [place = '?'] = places
  if (nodes.length === 1)
    return {
      description: `the admission pods all run on node ${place}, the only one: both are down when it is`,
      result: 'success',
    }
  return {
    description,
    result: 'warning',
    error: `all of them run on ${place}: both are down when it is`,
    hint: `kubectl -n ${ready[0]?.metadata.namespace} rollout restart deployment/${admissionNames.workload}`,
  }
}

function webhookChecks(
  webhooks: KubeObject | undefined,
  found: AdmissionFound,
  view: AdmissionView,
): Check[] {
  const description = 'the API server asks them about pods'
  const entries = webhooks === undefined ? [] : webhookEntriesOf(webhooks)
  const pods = entries.find(({ name }) => name === webhookEntries.pods.name)
  if (webhooks === undefined || pods === undefined)
    return [
      {
        description,
        result: 'error',
        error: `ValidatingWebhookConfiguration ${admissionNames.webhooks} ${webhooks === undefined ? 'is missing' : `has no entry ${webhookEntries.pods.name}`}: nobody judges pods`,
        hint: 'Run trow install again.',
      },
    ]
  return [
    bundleCheck(description, entries, view.namespace),
    policyCheck(pods, found, view),
    { description: `no pod is judged in ${pods.excluded.join(', ')}`, result: 'success' },
    changeCheck(webhooks),
  ]
}

function bundleCheck(description: string, entries: readonly WebhookEntry[], namespace: string): Check {
  const without = entries.filter(({ caBundle }) => caBundle === undefined).map(({ name }) => name)
  if (without.length === 0) return { description, result: 'success' }
  return {
    description,
    result: 'error',
    error: `the admission pods have not written their CA into ${without.join(', ')}: no review reaches them`,
    hint: `kubectl -n ${namespace} logs deployment/${admissionNames.workload}`,
  }
}

/** The rows of the table in docs/policy.md, "What each set-up guarantees". */
function policyCheck({ failurePolicy }: WebhookEntry, found: AdmissionFound, view: AdmissionView): Check {
  const { wishes, floor } = found
  const row =
    failurePolicy === 'Fail'
      ? 'row "webhook Fail": while trow is down no pod is made outside the excluded namespaces'
      : floor.binding !== hidden && floor.binding !== undefined
        ? 'row "floor + webhook Ignore": while trow is down names are judged, and content is not'
        : 'row "webhook Ignore": while trow is down nothing is judged'
  const description = `failurePolicy is ${failurePolicy ?? 'unknown'}, ${row}`
  const isWished = dataOf(orElse(wishes, undefined))['failurePolicy'] === 'Fail'
  if (!isWished || failurePolicy === 'Fail' || isOpen(found, view)) return { description, result: 'success' }
  return {
    description,
    result: 'warning',
    error: 'Fail is wanted, and what it needs is missing',
    hint: `kubectl -n ${view.namespace} logs deployment/${admissionNames.workload} says what: two ready pods, and the excluded namespaces.`,
  }
}

/** The last row of the table. What policies say of pulls is asked of the registry, whatever makes the pod. */
function nodesCheck({ pulling }: AdmissionView): Check {
  if (pulling === undefined)
    return {
      description:
        'nodes are left alone, row "nodes pull from trow" is not this cluster\'s: static pods are judged nowhere',
      result: 'success',
    }
  const { healthy, nodes } = pulling
  const which = healthy === nodes ? 'nodes' : `${healthy} of ${counted(nodes, 'node')}`
  return {
    description: `${which} pull from trow, row "nodes pull from trow": images of this registry are judged again at the pull, also those of static pods`,
    result: 'success',
  }
}

function changeCheck(webhooks: KubeObject): Check {
  const description = 'the webhook configuration is as trow has written it'
  const change = lastForeignChange(webhooks, ownManagers)
  if (change === undefined) return { description, result: 'success' }
  const { manager, time, fields } = change
  return {
    description,
    result: 'warning',
    error: `${manager} has changed it at ${new Date(time).toISOString()}: ${fields.join(', ')}`,
    hint: 'The admission pods put caBundle and failurePolicy right; the rest trow install does.',
  }
}

function glassChecks(
  { breakGlass, webhooks }: AdmissionFound,
  { namespace, now, readBreakGlass }: AdmissionView,
): Check[] {
  const open = readBreakGlass(textsOf(orElse(breakGlass, undefined)), now)
  if (open !== undefined)
    return [
      {
        description: 'what policies refuse is refused',
        result: 'warning',
        error: `break-glass is open until ${new Date(open.until).toISOString()}: ${open.reason}`,
        hint: `kubectl -n ${namespace} delete configmap ${admissionNames.breakGlass} closes it.`,
      },
    ]
  const entries = webhooks === hidden || webhooks === undefined ? [] : webhookEntriesOf(webhooks)
  const isFail = entries.some(({ failurePolicy }) => failurePolicy === 'Fail')
  if (!isFail) return []
  const until = new Date(now + proposed).toISOString().replace(/\.\d+Z$/, 'Z')
  return [
    {
      description: `break-glass is closed; to open it: ${breakGlassLine(namespace, until)}`,
      result: 'success',
    },
  ]
}

function isOpen({ breakGlass }: AdmissionFound, { now, readBreakGlass }: AdmissionView): boolean {
  return readBreakGlass(textsOf(orElse(breakGlass, undefined)), now) !== undefined
}

export function textsOf(map: KubeObject | undefined): Readonly<Record<string, string>> {
  return textsSchema.safeParse(map?.['data']).data ?? {}
}
