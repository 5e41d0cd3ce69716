import type { Check, CheckCategory } from '../cluster/check.ts'
import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import {
  bundleOf,
  dataOf,
  installedHost,
  judgesPods,
  leavesNodesAlone,
  secretText,
  type Bundle,
} from '../cluster/config-data.ts'
import { names, type Layout } from '../cluster/layout.ts'
import { nodeFacts, takesAgent } from '../cluster/node-facts.ts'
import { readNodeReport } from '../cluster/node-report.ts'
import { servingPods } from '../cluster/serving-pods.ts'
import { admissionChecks, type BreakGlassReader } from './admission-checks.ts'
import { answerChecks } from './answer-checks.ts'
import { authorityChecks } from './authority-checks.ts'
import { bindingChecks } from './binding-checks.ts'
import { findAll } from './found.ts'
import { hidden, Look, orElse, type Seen } from './look.ts'
import { nodeRow, type NodeRow } from './node-row.ts'
import type { RegistryProbe } from './registry-probe.ts'
import { policyChecks, settledHashes, type PoliciesHash } from './policy-checks.ts'
import { startChecks } from './start-checks.ts'
import { agentChecks, registryChecks, volumeChecks } from './workload-checks.ts'
import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'

/** The result of `trow status`. */
export interface Status {
  /** `undefined` if there is no install in that namespace. */
  readonly installed: InstalledRelease | undefined
  /** A server of this machine that was asked instead of a cluster. */
  readonly served?: ServedRegistry
  readonly categories: readonly CheckCategory[]
  readonly nodes: readonly NodeRow[]
  /** What could not be read, and why. It is apart from what was read and is broken. */
  readonly unseen: readonly string[]
}

export interface ServedRegistry {
  readonly folder: string
  readonly version: string
}

export interface InstalledRelease {
  readonly namespace: string
  readonly version: string
  readonly imageHost: string
  /** The time of the last `trow install`. */
  readonly time: string | undefined
}

export interface StatusParts {
  readonly objects: ClusterObjects
  readonly layout: Layout
  readonly probe: RegistryProbe
  readonly now: () => number
  readonly readBreakGlass: BreakGlassReader
  readonly hashOf: PoliciesHash
}

/**
 * Checks everything that an install consists of. Only what was observed counts as healthy. Rejects with
 * ClusterFault if the API server does not answer at all, or does not know the user.
 */
export async function lookAtInstall({
  objects,
  layout,
  probe,
  now,
  readBreakGlass,
  hashOf,
}: StatusParts): Promise<Status> {
  const look = new Look(objects)
  const { namespace } = layout
  const found = await findAll(look, layout)
  const { settings, set, pods, slices, bundle, daemons, agentPods } = found
  if (settings === undefined && set === undefined && daemons === undefined)
    return { installed: undefined, categories: [notInstalled(namespace)], nodes: [], unseen: look.unseen }
  const isJudging = judgesPods(orElse(settings, undefined))
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
                desiredState: found.desiredState === hidden ? hidden : desiredBundleOf(found.desiredState),
                hasAgents: wantsAgents,
                now: now(),
              })),
          ...answers.certificates,
        ],
      },
      ...(followsPolicies(found.configuration)
        ? [{ categoryName: 'policies', checks: policyChecks(found.judged, now()) }]
        : []),
      ...(isJudging === undefined
        ? []
        : [
            {
              categoryName: 'admission',
              checks: await admissionChecks(objects, found.admission, {
                namespace,
                isWanted: isJudging,
                nodes,
                now: now(),
                readBreakGlass,
                hashes: settledHashes(found.judged, now(), hashOf),
                pulling: wantsAgents
                  ? { nodes: meant.length, healthy: rows.filter(({ state }) => state === 'healthy').length }
                  : undefined,
              }),
            },
          ]),
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

/** Returns whether the registry is one that judges by the cluster's policies; one of an earlier release does not. */
function followsPolicies(configuration: Seen<KubeObject | undefined>): boolean {
  const data = dataOf(orElse(configuration, undefined))
  return /^policy-cluster: true$/m.test(data['trow.yaml'] ?? '')
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

/** If the record of the last install is lost, the agents' reports still contain the version. */
function installedOf(
  map: KubeObject | undefined,
  layout: Layout,
  reports: readonly KubeObject[],
): InstalledRelease {
  const { version = readNodeReport(reports[0])?.agent ?? 'unknown' } = dataOf(map)
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

function desiredBundleOf(object: KubeObject | undefined): Bundle | undefined {
  const { 'ca.crt': pem, 'settings.json': json } = dataOf(object)
  const desiredState = tryForeignJson(json ?? '{}', z.object({ generation: z.number().optional() }))
  if (pem === undefined || desiredState === undefined) return undefined
  return { certificates: pem, generation: desiredState.generation ?? Number.NaN }
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
