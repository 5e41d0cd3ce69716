import type { Check, CheckCategory } from '../cluster/check.ts'
import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { bundleOf, installedHost, leavesNodesAlone, secretText, type Bundle } from '../cluster/config-data.ts'
import { names, type Layout } from '../cluster/layout.ts'
import { nodeFacts, takesAgent } from '../cluster/node-facts.ts'
import { readNodeReport } from '../cluster/node-report.ts'
import { servingPods } from '../cluster/serving-pods.ts'
import { answerChecks } from './answer-checks.ts'
import { authorityChecks } from './authority-checks.ts'
import { bindingChecks } from './binding-checks.ts'
import { findAll } from './found.ts'
import { hidden, Look, orElse } from './look.ts'
import { nodeRow, type NodeRow } from './node-row.ts'
import type { RegistryProbe } from './registry-probe.ts'
import { startChecks } from './start-checks.ts'
import { agentChecks, registryChecks, volumeChecks } from './workload-checks.ts'
import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'

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
  const { namespace } = layout
  const found = await findAll(look, layout)
  const { settings, set, pods, slices, bundle, daemons, agentPods } = found
  if (settings === undefined && set === undefined && daemons === undefined)
    return { installed: undefined, categories: [notInstalled(namespace)], nodes: [], unseen: look.unseen }
  const nodes = orElse(found.nodes, [])
  const wantsAgents = !leavesNodesAlone(orElse(settings, undefined))
  const isMeant = (node: KubeObject): boolean => takesAgent(nodeFacts(node))
  const meant = nodes.filter(isMeant)
  const published = bundleOf(orElse(bundle, undefined))
  const registry = await registryChecks(objects, { set, pods, slices, nodes })
  const answers = await answerChecks(probe, published?.certificates ?? '', now())
  const reports = new Map(orElse(found.reports, []).map((each) => [each.metadata.name, each]))
  const evidence = {
    generation: published?.generation,
    registry: slices === hidden ? undefined : servingPods(slices),
    now: now(),
  }
  const rows =
    found.reports === hidden || !wantsAgents
      ? []
      : meant.map((node) => nodeRow(node, reports.get(names.report(node.metadata.name)), evidence))
  const volumes = volumeChecks(orElse(found.claims, []))
  return {
    installed: installedOf(orElse(settings, undefined), layout, [...reports.values()]),
    categories: [
      {
        categoryName: 'registry',
        checks: [
          ...(settings === undefined ? [settingsLost(namespace)] : []),
          ...registry,
          ...volumes,
          ...answers.registry,
          ...startChecks(wantsAgents ? found : { ...found, agentAccount: hidden }),
        ],
      },
      {
        categoryName: 'certificates',
        checks: [
          ...(bundle === hidden
            ? []
            : authorityChecks({
                signing: secretText(orElse(found.authority, undefined), 'ca.crt'),
                bundle: published,
                told: found.told === hidden ? hidden : toldOf(found.told),
                hasAgents: wantsAgents,
                now: now(),
              })),
          ...answers.certificates,
        ],
      },
      {
        categoryName: 'agents',
        checks: wantsAgents
          ? [
              ...(await agentChecks(objects, { daemons, pods: agentPods, nodes: meant })),
              ...(daemons === undefined ? [] : await bindingChecks(objects, found.bounds)),
            ]
          : [{ description: 'nodes are left alone (--no-trust-nodes)', result: 'success' }],
      },
      {
        categoryName: 'nodes',
        checks: [...rows.flatMap(nodeChecks), ...nodes.filter((node) => !isMeant(node)).map(leftAlone)],
      },
    ],
    nodes: rows,
    unseen: look.unseen,
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

/** Where what the last install has remembered is lost, reports of agents still say which trow it was. */
function installedOf(map: KubeObject | undefined, layout: Layout, reports: readonly KubeObject[]): Installed {
  const { version = readNodeReport(reports[0])?.agent ?? 'unknown' } = (map?.['data'] ?? {}) as Record<
    string,
    string
  >
  return {
    namespace: layout.namespace,
    version,
    imageHost: installedHost(map) ?? layout.imageHost,
    time: map?.metadata.creationTimestamp,
  }
}

function settingsLost(namespace: string): Check {
  return {
    description: 'what the last install was asked for is known',
    result: 'error',
    error: `ConfigMap ${names.settings} is missing in ${namespace}; what runs goes on`,
    hint: 'Run trow install again with the options of the last one: preflight reads the storage from what runs, and prints how to ask for it.',
  }
}

function toldOf(object: KubeObject | undefined): Bundle | undefined {
  const { 'ca.crt': pem, 'settings.json': json } = (object?.['data'] ?? {}) as Record<
    string,
    string | undefined
  >
  const told = tryForeignJson(json ?? '{}', z.object({ generation: z.number().optional() }))
  if (pem === undefined || told === undefined) return undefined
  return { certificates: pem, generation: told.generation ?? Number.NaN }
}

function leftAlone(node: KubeObject): Check {
  const { name, system, architecture } = nodeFacts(node)
  const what = [system, architecture].filter((word) => word !== '').join('/')
  return {
    description: `node ${name}${what === '' ? '' : ` (${what})`} is left alone: no agent is meant for it`,
    result: 'success',
  }
}

function nodeChecks({ node, state, problems, notes }: NodeRow): Check[] {
  const [first] = problems
  const check: Check = {
    description: `node ${node} pulls`,
    result: state === 'healthy' ? 'success' : state === 'unknown' ? 'unknown' : 'error',
    ...(first === undefined ? {} : { error: problems.map(({ message }) => message).join('; ') }),
    ...(first?.hint === undefined ? {} : { hint: first.hint }),
    node,
  }
  const doubts = notes.map(({ message, hint, description }): Check => ({
    description: `node ${node} ${description}`,
    result: 'warning',
    error: message,
    ...(hint === undefined ? {} : { hint }),
    node,
  }))
  return state === 'healthy' && doubts.length > 0 ? doubts : [check, ...doubts]
}
