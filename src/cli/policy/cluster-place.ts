import { setTimeout as sleep } from 'node:timers/promises'
import type { Check } from '../../cluster/check.ts'
import { ClusterFault } from '../../cluster/cluster-fault.ts'
import { explainFault } from '../../cluster/cluster-problem.ts'
import { policyApiVersion, policyKinds } from '../../cluster/policy-object.ts'
import type { Digest } from '../../oci/digest.ts'
import type { Coverage } from '../../policy-store/policy-coverage.ts'
import { printProblem } from '../../policy/load-problem.ts'
import { clusterStatus, standingOf, type ClusterUnit } from '../../policy-store/cluster-standing.ts'
import { ClusterWriter } from '../../policy-store/cluster-writer.ts'
import {
  policyEditPatience,
  type PolicyEdit,
  type PolicyEditAnswer,
  type PolicyObjectName,
  type WrittenEdit,
  type WrittenObject,
} from '../../policy-store/policy-edits.ts'
import type { UnitProblem } from '../../policy-store/policy-source.ts'
import type { PolicyStatus } from '../../policy-store/policy-status.ts'
import type { ExceptionSettings } from '../../policy/trow-exception.ts'
import { podsRunning, type PodsRunning } from '../../scan/pods-running.ts'
import type { RunningFindings } from '../../scan/running-findings.ts'
import { RunningMap } from '../../scan/running-map.ts'
import { loadObjects } from '../../policy-store/unit-book.ts'
import { askCoverage } from '../../upstream/coverage-client.ts'
import { UserError } from '../../user-error.ts'
import { explainNoAuditor } from '../audit/audit-errors.ts'
import { openCluster, type ClusterOptions, type OpenCluster } from '../cluster/cluster-options.ts'
import { publishedRegistry, registryRoad } from '../cluster/registry-road.ts'
import type { IdentityOptions } from '../login/identity-options.ts'
import { explainUpstream } from '../way/upstream-errors.ts'
import type { Terminal } from '../streams.ts'
import { clusterFloor } from './cluster-floor.ts'
import type { PolicyPlace } from './policy-place.ts'

const nobody = ['KUBECONFIG_MISSING', 'CONTEXT_UNKNOWN', 'REGISTRY_NOT_INSTALLED']

/**
 * Opens the policies of the cluster of the kube context. Returns `undefined` if there is no kubeconfig, or no
 * trow in that cluster, and no flag names the cluster. Throws UserError of the cluster.
 */
export async function openClusterPlace(
  options: ClusterOptions & IdentityOptions,
  terminal: Terminal,
  isNamed: boolean,
): Promise<PolicyPlace | undefined> {
  let cluster: OpenCluster | undefined
  try {
    cluster = await openCluster({ requestTimeout: '10s', ...options }, terminal)
    if (!isNamed) await publishedRegistry(cluster)
    return new ClusterPlace(cluster, options, terminal)
  } catch (thrown) {
    await cluster?.objects.close()
    const error = cluster === undefined ? thrown : explainFault(thrown, cluster.context)
    if (!isNamed && error instanceof UserError && nobody.includes(error.code)) return undefined
    throw error
  }
}

/** Milliseconds between two looks at an object. */
const pause = 200

/** The policies of a cluster, with the identity of the kube context. */
export class ClusterPlace implements PolicyPlace {
  readonly #cluster: OpenCluster
  readonly #identity: IdentityOptions
  readonly #terminal: Terminal
  readonly #writer: ClusterWriter

  /** `identity`: who asks the registry, where that is not the identity of the kube context. */
  constructor(cluster: OpenCluster, identity: IdentityOptions, terminal: Terminal) {
    this.#cluster = cluster
    this.#identity = identity
    this.#terminal = terminal
    this.#writer = new ClusterWriter(cluster.objects)
  }

  status(): Promise<PolicyStatus> {
    return this.#explaining(async () => {
      const units: ClusterUnit[] = []
      for (const { kind } of policyKinds) {
        const objects = await this.#cluster.objects.list({ apiVersion: policyApiVersion, kind })
        units.push(...objects.map((object) => ({ kind, object })))
      }
      const source = `the cluster of context ${this.#cluster.context.name}`
      return clusterStatus(units, source, unlimited(Date.now()))
    })
  }

  read(object: PolicyObjectName): Promise<WrittenObject | undefined> {
    return this.#explaining(() => this.#writer.read(object))
  }

  edit(edit: PolicyEdit): Promise<PolicyEditAnswer> {
    return this.#explaining(async () => {
      const problems = problemsOf(edit)
      if (problems.length > 0) return { outcome: 'rejected', problems }
      return this.#awaited(edit, await this.#writer.write(edit))
    })
  }

  /** Asks the registry's pod, which needs ClusterRole trow-auditor. */
  coverage(digest: Digest): Promise<Coverage> {
    const cluster = this.#cluster
    return this.#explaining(async () => {
      const published = await publishedRegistry(cluster)
      const way = await registryRoad(cluster, published, this.#identity, this.#terminal)
      try {
        return await askCoverage(way, digest)
      } catch (error) {
        throw await explainNoAuditor(explainUpstream(error, way), cluster)
      }
    })
  }

  floor(): Promise<readonly Check[]> {
    return clusterFloor(this.#cluster, Date.now()).catch((error: unknown) => {
      // As of what runs.
      if (error instanceof ClusterFault) return []
      throw error
    })
  }

  async running(): Promise<RunningFindings | undefined> {
    const { objects, layout } = this.#cluster
    try {
      return await new RunningMap(objects, layout.namespace).read()
    } catch (error) {
      // Who may see policies may not be one who sees what runs.
      if (error instanceof ClusterFault) return undefined
      throw error
    }
  }

  async podsRunning(digest: Digest): Promise<PodsRunning | { readonly unseen: string }> {
    const settings = { ownHosts: new Set<string>(), shortNames: 'docker.io' } as const
    const sought = { digests: new Set([digest]), names: new Set<string>(), settings }
    const { signal } = new AbortController()
    try {
      return await podsRunning(this.#cluster.objects, sought, signal)
    } catch (error) {
      if (error instanceof ClusterFault) return { unseen: error.message }
      throw error
    }
  }

  close(): Promise<void> {
    return this.#cluster.objects.close()
  }

  /** Waits until the registry says in the object's status that it is in force. */
  async #awaited({ kind, name }: PolicyEdit, written: WrittenEdit): Promise<PolicyEditAnswer> {
    // Nothing tells when a removal is in force.
    if (written.hash === undefined) return { outcome: 'written', problems: [], ...written }
    for (const end = performance.now() + policyEditPatience; ; await sleep(pause)) {
      const object = await this.#cluster.objects.get({ apiVersion: policyApiVersion, kind, name })
      if (object === undefined) return { outcome: 'written', problems: [gone], ...written }
      const { isInForce, generation, problems } = standingOf({ kind, object }, Date.now())
      if (isInForce) return { outcome: 'in-force', generation, ...written }
      if (performance.now() > end) return { outcome: 'written', problems, ...written }
    }
  }

  async #explaining<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work()
    } catch (error) {
      throw explainFault(
        error,
        this.#cluster.context,
        'Somebody who may has to bind ClusterRole trow-policy-admin to you.',
      )
    }
  }
}

const gone: UnitProblem = { place: undefined, message: 'somebody has removed it meanwhile' }

/** What keeps it from being loaded, before anything is written. */
function problemsOf({ document }: PolicyEdit): readonly UnitProblem[] {
  if (document === undefined) return []
  const { problems } = loadObjects([document], unlimited(Date.now()))
  return problems.map((problem) => ({ place: undefined, message: printProblem(problem) }))
}

/** The registry alone knows its hosts and limits, and says in the status what breaks them. */
function unlimited(now: number): ExceptionSettings {
  return { ownHosts: new Set(), now, longestException: Infinity, requireTicket: false }
}
