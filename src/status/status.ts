import type { Check, CheckCategory } from '../cluster/check.ts'
import { ClusterFault } from '../cluster/cluster-fault.ts'
import type { ClusterObjects, KubeObject, KubeSelection } from '../cluster/cluster-objects.ts'
import { bundleOf, installedHost, secretText, type Bundle } from '../cluster/config-data.ts'
import { names, type Layout } from '../cluster/layout.ts'
import { nodeFacts, takesAgent } from '../cluster/node-facts.ts'
import { authorityChecks, leafCheck } from './authority-checks.ts'
import { reportsIn } from '../cluster/node-report.ts'
import { nodeRow, type NodeRow } from './node-row.ts'
import type { RegistryProbe } from './registry-probe.ts'
import { agentChecks, registryChecks, volumeChecks } from './workload-checks.ts'

/** What `trow status` knows. */
export interface Status {
  /** Undefined: there is no install in that namespace. */
  readonly installed: Installed | undefined
  readonly categories: readonly CheckCategory[]
  readonly nodes: readonly NodeRow[]
  /** What could not be looked at, and why: apart from what was seen and is broken. */
  readonly unseen: readonly string[]
}

export interface Installed {
  readonly namespace: string
  readonly version: string
  readonly imageHost: string
  /** Of the last `trow install`. */
  readonly time: string | undefined
}

export interface StatusParts {
  readonly objects: ClusterObjects
  readonly layout: Layout
  readonly probe: RegistryProbe
  readonly now: () => number
}

/**
 * Looks at everything that an install consists of. Healthy is only what gave evidence of it. Rejects with ClusterFault where
 * the API server does not answer at all, or does not know us.
 */
export async function lookAtInstall({ objects, layout, probe, now }: StatusParts): Promise<Status> {
  const look = new Look(objects)
  const { namespace, nodeNamespace } = layout
  const inRegistry = (kind: string, name: string, apiVersion = 'v1'): Promise<KubeObject | undefined> =>
    look.get({ apiVersion, kind, name, namespace })
  const settings = await inRegistry('ConfigMap', names.settings)
  const installed = settings && readInstalled(settings, layout)
  if (installed === undefined && look.unseen.length === 0)
    return { installed, categories: [notInstalled(namespace)], nodes: [], unseen: [] }
  const component = (name: string): string =>
    `app.kubernetes.io/part-of=trow,app.kubernetes.io/component=${name}`
  const [set, pods, slices, claims, secret, bundle, told, daemons, agentPods, nodes, reports] =
    await Promise.all([
      inRegistry('StatefulSet', names.statefulSet, 'apps/v1'),
      look.list({ apiVersion: 'v1', kind: 'Pod', namespace, labelSelector: component('registry') }),
      look.list({
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        namespace,
        labelSelector: `kubernetes.io/service-name=${names.service}`,
      }),
      look.list({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace }),
      inRegistry('Secret', names.authority),
      inRegistry('ConfigMap', names.bundle),
      look.get({ apiVersion: 'v1', kind: 'ConfigMap', name: names.agent, namespace: nodeNamespace }),
      look.get({ apiVersion: 'apps/v1', kind: 'DaemonSet', name: names.agent, namespace: nodeNamespace }),
      look.list({
        apiVersion: 'v1',
        kind: 'Pod',
        namespace: nodeNamespace,
        labelSelector: component('node'),
      }),
      look.list({ apiVersion: 'v1', kind: 'Node' }),
      look.list(reportsIn(nodeNamespace)),
    ])
  const isMeant = (node: KubeObject): boolean => takesAgent(nodeFacts(node))
  const meant = nodes.filter(isMeant)
  const published = bundleOf(bundle)
  const registry = await registryChecks(objects, { set, pods, slices })
  const answers = await answerChecks(probe, published?.certificates ?? '', now())
  const generation = published?.generation ?? 0
  const rows = meant.map((node) =>
    nodeRow(
      node,
      reports.find(({ metadata }) => metadata.name === names.report(node.metadata.name)),
      { generation, now: now() },
    ),
  )
  return {
    installed,
    categories: [
      { categoryName: 'registry', checks: [...registry, ...volumeChecks(claims), ...answers.registry] },
      {
        categoryName: 'certificates',
        checks: [
          ...authorityChecks({
            signing: secretText(secret, 'ca.crt'),
            bundle: published,
            told: toldOf(told),
            now: now(),
          }),
          ...answers.certificates,
        ],
      },
      {
        categoryName: 'agents',
        checks: await agentChecks(objects, { daemons, pods: agentPods, nodes: meant }),
      },
      {
        categoryName: 'nodes',
        checks: [...rows.map(nodeCheck), ...nodes.filter((node) => !isMeant(node)).map(leftAlone)],
      },
    ],
    nodes: rows,
    unseen: look.unseen,
  }
}

/** Reads on where one kind may not be read, and remembers that. */
class Look {
  readonly unseen: string[] = []
  readonly #objects: ClusterObjects

  constructor(objects: ClusterObjects) {
    this.#objects = objects
  }

  get(reference: Parameters<ClusterObjects['get']>[0]): Promise<KubeObject | undefined> {
    return this.#try(`${reference.kind} ${reference.name}`, undefined, () => this.#objects.get(reference))
  }

  list(selection: KubeSelection): Promise<readonly KubeObject[]> {
    return this.#try(`${selection.kind}s`, [], () => this.#objects.list(selection))
  }

  async #try<Value>(what: string, otherwise: Value, read: () => Promise<Value>): Promise<Value> {
    try {
      return await read()
    } catch (error) {
      if (!(error instanceof ClusterFault) || error.kind !== 'forbidden') throw error
      this.unseen.push(`${what}: ${error.message}`)
      return otherwise
    }
  }
}

function notInstalled(namespace: string): CheckCategory {
  return {
    categoryName: 'registry',
    checks: [
      {
        description: `trow is installed in namespace ${namespace}`,
        result: 'error',
        error: 'it is not',
        hint: 'trow install puts it there; -n names another namespace.',
      },
    ],
  }
}

function readInstalled(map: KubeObject, layout: Layout): Installed {
  const { version = 'unknown' } = (map['data'] ?? {}) as Record<string, string>
  return {
    namespace: layout.namespace,
    version,
    imageHost: installedHost(map) ?? layout.imageHost,
    time: map.metadata.creationTimestamp,
  }
}

function toldOf(object: KubeObject | undefined): Bundle | undefined {
  const { 'ca.crt': pem, 'settings.json': json } = (object?.['data'] ?? {}) as Record<
    string,
    string | undefined
  >
  try {
    return pem === undefined
      ? undefined
      : {
          certificates: pem,
          generation: Number((JSON.parse(json ?? '{}') as { generation?: number }).generation),
        }
  } catch {
    return undefined
  }
}

async function answerChecks(
  probe: RegistryProbe,
  bundle: string,
  now: number,
): Promise<{ registry: Check[]; certificates: Check[] }> {
  try {
    const { chain, untrusted, reads, writes } = await probe.ask(bundle)
    const health = (description: string, answer: typeof reads): Check =>
      answer.ok
        ? { description, result: 'success' }
        : { description, result: 'error', error: answer.reason, hint: 'kubectl logs says more.' }
    return {
      registry: [health('it answers reads', reads), health('it takes pushes', writes)],
      certificates: [leafCheck(chain, untrusted, now)],
    }
  } catch (error) {
    return {
      registry: [
        {
          description: 'it answers',
          result: 'unknown',
          error: (error as Error).message,
          hint: 'It was asked through the API server (pods/portforward).',
        },
      ],
      certificates: [],
    }
  }
}

function leftAlone(node: KubeObject): Check {
  const { name, system, architecture } = nodeFacts(node)
  const what = [system, architecture].filter((word) => word !== '').join('/')
  return {
    description: `node ${name}${what === '' ? '' : ` (${what})`} is left alone: no agent is meant for it`,
    result: 'success',
  }
}

function nodeCheck({ node, state, problems, note }: NodeRow): Check {
  const [first] = problems
  if (state === 'healthy' && note !== undefined) {
    const { message: error, ...hint } = note
    return {
      description: `node ${node} pulls as the service accounts of its pods`,
      result: 'warning',
      error,
      ...hint,
    }
  }
  return {
    description: `node ${node} pulls`,
    result: state === 'healthy' ? 'success' : state === 'unknown' ? 'unknown' : 'error',
    ...(first === undefined ? {} : { error: problems.map(({ message }) => message).join('; ') }),
    ...(first?.hint === undefined ? {} : { hint: first.hint }),
  }
}
