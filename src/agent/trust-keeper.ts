import type { NodeProblem } from '../cluster/node-report.ts'
import type { Log } from '../log.ts'
import { reasonOf } from '../reason-of.ts'
import type { MachineOptions, MachineFacts, TrustChange } from '../trust/node-trust.ts'
import type { DesiredState } from './desired-state.ts'
import type { IssuedCertificate } from './issued-certificate.ts'
import type { Machine } from './machine.ts'
import { nodeEndpoints, spellings } from './node-endpoints.ts'
import { podIdentity, pullIdentity, standingIdentity, type PullIdentity } from './pull-identity.ts'
import type { RestartTurn } from './restart-turn.ts'
import { TrustLog } from './trust-log.ts'

export interface TrustKeeperOptions {
  readonly node: string
  readonly hostRoot: string
  readonly machine: Machine
  readonly issued: IssuedCertificate
  readonly turn: RestartTurn
  readonly now: () => number
  readonly log: Log
}

/** The state of the node after one check. */
export interface TrustState {
  readonly facts: MachineFacts
  readonly identity: PullIdentity | undefined
  /** Generation of the bundle on the node. */
  readonly written: number | undefined
  /** Whether this check changed files. */
  readonly changed: boolean
  /** Everything that had to be written or removed was. */
  readonly settled: boolean
  /** Nothing of trow's is left. */
  readonly undone: boolean
  readonly problems: readonly NodeProblem[]
}

export interface NodeContext {
  readonly machine: MachineOptions['node']
  readonly address: string | undefined
  readonly loopbackPort: number | undefined
}

/**
 * Corrects what differs from the desired state. src/trust writes all files except trow's client certificate.
 */
export class TrustKeeper {
  readonly #options: TrustKeeperOptions
  readonly #log: TrustLog
  #hosts = new Set<string>()
  /** The kubelet passed on pods' tokens when it last ran. */
  #givesTokens = false

  constructor(options: TrustKeeperOptions) {
    this.#options = options
    this.#log = new TrustLog(options)
  }

  /** Hosts for which this installation may have files on the node; the files of others do not count. */
  get hosts(): readonly string[] {
    return [...this.#hosts].sort()
  }

  /** Adds hosts for which a previous agent has written files. */
  track(hosts: readonly string[]): void {
    for (const host of hosts) this.#hosts.add(host)
  }

  /** From now on files may be written for the hosts of this desired state. */
  setDesired(desiredState: DesiredState | undefined): void {
    if (desiredState?.settings.mode === 'trust') this.track(spellings(desiredState.settings.hosts))
  }

  /** Without `desiredState` it only inspects the node. Rejects only for bugs. */
  async keep(desiredState: DesiredState | undefined, nodeContext: NodeContext): Promise<TrustState> {
    const { hostRoot, machine } = this.#options
    const options: MachineOptions = {
      hostRoot,
      ...(nodeContext.machine === undefined ? {} : { node: nodeContext.machine }),
    }
    const facts = await machine.inspect(options).catch((error: unknown) => this.#log.unreadable(error))
    const nothing = {
      facts,
      identity: undefined,
      written: undefined,
      changed: false,
      settled: true,
      undone: false,
    }
    if (desiredState === undefined) return { ...nothing, problems: facts.problems }
    if (desiredState.settings.mode === 'undo')
      return { ...nothing, ...(await this.#undo(options, facts, desiredState)) }
    return this.#trust(options, facts, desiredState, nodeContext)
  }

  /** Whether files or `client =` differ from what `last` has left; asks no server. */
  async hasMoved(
    last: TrustState,
    { settings, bundle }: DesiredState,
    nodeContext: NodeContext,
  ): Promise<boolean> {
    const { hostRoot, issued, machine, now } = this.#options
    const hosts = spellings(settings.hosts)
    const options = { hostRoot, ...(nodeContext.machine === undefined ? {} : { node: nodeContext.machine }) }
    if (last.written !== undefined) {
      const endpoints = nodeEndpoints(settings, nodeContext)
      const trust = { hosts, ca: bundle, endpoints, identity: last.identity?.pair }
      const editOptions = { restartRuntime: false, editHosts: settings.editHosts, dryRun: true }
      // A check that fails is reported by the round that repairs the node.
      const changes = await machine.trust(options, last.facts, trust, editOptions).catch(() => undefined)
      if (changes === undefined || changes.length > 0) return true
    }
    if (settings.pullIdentity === 'service-account') {
      const { changes, effective } = await machine.provide(options, last.facts, hosts, { dryRun: true })
      if (changes.length > 0 || (effective ?? this.#givesTokens) !== this.#givesTokens) return true
      if (this.#givesTokens) return false
    }
    const standing = await standingIdentity({
      hostRoot,
      facts: last.facts,
      settings,
      bundle,
      issued,
      now: now(),
    })
    return standing !== last.identity?.notAfter || (standing === undefined && settings.issueCertificates)
  }

  async #trust(
    options: MachineOptions,
    found: MachineFacts,
    { settings, bundle }: DesiredState,
    nodeContext: NodeContext,
  ): Promise<TrustState> {
    const { node, hostRoot, issued, machine, now } = this.#options
    let facts = found
    const hosts = spellings(settings.hosts)
    const changes: TrustChange[] = []
    const provided = await this.#provide(options, facts, settings, changes)
    const identity = this.#givesTokens
      ? podIdentity
      : await pullIdentity({ hostRoot, node, facts, settings, bundle, issued, now: now() })
    const problems = [...identity.problems, ...provided]
    const restartRuntime =
      settings.restartRuntime && facts.class === 'unset' && (await this.#turn(settings, problems))
    const trust = {
      hosts,
      ca: bundle,
      endpoints: nodeEndpoints(settings, nodeContext),
      identity: identity.pair,
    }
    let written: number | undefined
    let settled = false
    try {
      const old = [...this.#hosts].filter((host) => !hosts.includes(host))
      if (old.length > 0) changes.push(...(await machine.untrust(options, facts, old, { dryRun: false })))
      // Tokens are withdrawn only after the certificate is in its place again.
      const useless = settings.pullIdentity === 'service-account' ? old : [...hosts, ...old]
      this.#hosts = new Set(hosts)
      const editOptions = { restartRuntime, editHosts: settings.editHosts }
      changes.push(...(await machine.trust(options, facts, trust, editOptions)))
      written = settings.generation
      changes.push(...(await this.#withdraw(options, facts, useless, problems)))
      // Only now: runtimes have referred to the old certificate until hosts.toml was written.
      await (this.#givesTokens ? issued.remove() : issued.removeBefore())
      // Not settled while this node waits for its turn to restart: it is asked for again.
      settled = restartRuntime || !settings.restartRuntime || facts.class !== 'unset'
    } catch (error) {
      // On a managed node only another program writes these files, so a retry changes nothing.
      settled = facts.class === 'managed'
      const problem = this.#log.problemOf(error)
      problems.push(problem)
      if (restartRuntime) await this.#afterFailedRestart(problem)
    }
    this.#log.changed(changes)
    if (restartRuntime) facts = await machine.inspect(options)
    const all = [...facts.problems, ...problems]
    return { facts, identity, written, changed: changes.length > 0, settled, undone: false, problems: all }
  }

  /** Returns problems; sets `#givesTokens`: whether pods' own tokens are used from now on. */
  async #provide(
    options: MachineOptions,
    facts: MachineFacts,
    { hosts, pullIdentity: wanted }: DesiredState['settings'],
    changes: TrustChange[],
  ): Promise<NodeProblem[]> {
    if (wanted !== 'service-account') {
      this.#givesTokens = false
      return []
    }
    try {
      const editOptions = { dryRun: false }
      const given = await this.#options.machine.provide(options, facts, spellings(hosts), editOptions)
      changes.push(...given.changes)
      this.#givesTokens = given.effective ?? this.#givesTokens
      return given.problem === undefined ? [] : [given.problem]
    } catch (error) {
      this.#givesTokens = false
      return [{ ...this.#log.problemOf(error), fatal: false }]
    }
  }

  async #withdraw(
    options: MachineOptions,
    facts: MachineFacts,
    hosts: readonly string[],
    problems: NodeProblem[],
  ): Promise<readonly TrustChange[]> {
    if (hosts.length === 0) return []
    const { changes, problem } = await this.#options.machine.withdraw(options, facts, hosts, {
      dryRun: false,
    })
    // Not fatal: pulls do not depend on it.
    if (problem !== undefined) problems.push({ ...problem, fatal: false })
    return changes
  }

  async #turn(settings: DesiredState['settings'], problems: NodeProblem[]): Promise<boolean> {
    const { turn, log, node } = this.#options
    try {
      const answer = await turn.take(settings)
      if (answer.granted) log.info(`the runtime of node ${node} is restarted`)
      else problems.push(answer.problem)
      return answer.granted
    } catch (error) {
      problems.push({
        code: 'RUNTIME_RESTART_WAITS',
        message: `whether another node restarts its runtime cannot be asked: ${reasonOf(error)}`,
        fatal: true,
      })
      return false
    }
  }

  /** If it failed before the runtime was restarted, the next node gets the turn. */
  async #afterFailedRestart(problem: NodeProblem): Promise<void> {
    const { turn } = this.#options
    if (problem.code === 'RUNTIME_NOT_RESTARTED') turn.fail(problem)
    else await turn.pass().catch(() => undefined)
  }

  async #undo(
    options: MachineOptions,
    facts: MachineFacts,
    { settings }: DesiredState,
  ): Promise<Pick<TrustState, 'changed' | 'undone' | 'problems'>> {
    const { machine, issued, turn } = this.#options
    try {
      const hosts = [...new Set([...spellings(settings.hosts), ...this.#hosts])]
      const changes = [...(await machine.untrust(options, facts, hosts, { dryRun: false }))]
      const withdrawn = await machine.withdraw(options, facts, hosts, { dryRun: false })
      changes.push(...withdrawn.changes)
      this.#givesTokens = false
      this.#log.changed(changes)
      const removed = await issued.remove()
      const left = await machine.untrust(options, facts, hosts, { dryRun: true })
      await turn.pass().catch(() => undefined)
      if (left.length === 0) this.#hosts.clear()
      const problems: NodeProblem[] = left.map(({ path }) => ({
        code: 'UNDO_INCOMPLETE',
        message: `${path} is still there`,
        file: path,
        fatal: true,
      }))
      if (withdrawn.problem !== undefined) problems.push(withdrawn.problem)
      return { changed: removed || changes.length > 0, undone: problems.length === 0, problems }
    } catch (error) {
      return { changed: false, undone: false, problems: [this.#log.problemOf(error)] }
    }
  }
}
