import { ClusterFault } from '../cluster/cluster-fault.ts'
import type { KubeObject } from '../cluster/cluster-objects.ts'
import { names } from '../cluster/layout.ts'
import { servingPods } from '../cluster/serving-pods.ts'
import type { NodeProblem } from '../cluster/node-report.ts'
import { reasonOf, stackOf } from '../reason-of.ts'
import { Alarm } from './alarm.ts'
import { usualPace, type AgentPace } from './agent-pace.ts'
import { CanaryKeeper } from './canary-keeper.ts'
import { ClusterView } from './cluster-view.ts'
import { EndpointPool } from './endpoint-pool.ts'
import { IssuedCertificate } from './issued-certificate.ts'
import type { NodeAgentOptions } from './node-agent-options.ts'
import { nodeEndpoints } from './node-endpoints.ts'
import type { DesiredState } from './desired-state.ts'
import { NodeReporter } from './node-reporter.ts'
import { Proof } from './proof.ts'
import { ProxyKeeper } from './proxy-keeper.ts'
import { endpointsOf } from './registry-endpoints.ts'
import { reportOf } from './report-text.ts'
import { RestartTurn } from './restart-turn.ts'
import { RuntimeLease } from './runtime-lease.ts'
import { mayTakePods, StartupTaint } from './startup-taint.ts'
import { TrustKeeper, type NodeContext, type TrustState } from './trust-keeper.ts'

/** Milliseconds: a loop that has finished no round for so long hangs. */
const longestRound = 600_000

/** Keeps one node's runtime able to pull from the registry, proves that it can, and reports. */
export class NodeAgent {
  readonly #options: NodeAgentOptions
  readonly #pace: AgentPace
  readonly #alarm = new Alarm()
  readonly #pool: EndpointPool
  readonly #proxy: ProxyKeeper
  readonly #canary: CanaryKeeper
  readonly #proof: Proof
  readonly #turn: RestartTurn
  readonly #trust: TrustKeeper
  readonly #view: ClusterView
  readonly #reporter: NodeReporter
  readonly #taint: StartupTaint
  #state: TrustState | undefined
  #followed: DesiredState | undefined
  #isLoaded = false
  #changed = true
  #assertedAt = 0
  #turnedAt = performance.now()
  readonly #problems = new Map<string, NodeProblem>()

  constructor(options: NodeAgentOptions) {
    this.#options = options
    this.#pace = { ...usualPace, ...options.pace }
    const { node, hostRoot, layout, imageHosts, objects, machine, now, random, log, crypto, token } = options
    const namespace = layout.nodeNamespace
    this.#pool = new EndpointPool({ node, now, random })
    this.#proxy = new ProxyKeeper({ pool: this.#pool, node, grace: this.#pace.grace })
    this.#canary = new CanaryKeeper({ now, random, pace: this.#pace })
    this.#proof = new Proof({ node, hostRoot, canary: this.#canary, token, alarm: this.#alarm, log })
    this.#turn = new RestartTurn(new RuntimeLease({ objects, namespace, node, now }), node)
    const ask = async (request: string): Promise<string> => this.#certify(request)
    const issued = new IssuedCertificate({ hostRoot, node, now, crypto, token, ask })
    this.#trust = new TrustKeeper({ node, hostRoot, machine, issued, turn: this.#turn, now, log })
    this.#taint = new StartupTaint({ objects, node, log })
    this.#reporter = new NodeReporter({
      objects,
      namespace,
      node,
      now,
      random,
      log,
      hosts: () => this.#trust.hosts,
      heartbeat: this.#pace.heartbeat,
    })
    this.#view = new ClusterView({
      objects,
      namespace: layout.namespace,
      imageHosts,
      node,
      log,
      onChange: () => {
        this.#changed = true
        this.#alarm.ring()
      },
      onSlices: (slices) => this.#takeSlices(slices),
    })
  }

  /** Whether the loop still finishes rounds. */
  get alive(): boolean {
    return performance.now() - this.#turnedAt < longestRound
  }

  /** Whether the newest desired state was followed. */
  get ready(): boolean {
    const { desiredState } = this.#view
    return desiredState !== undefined && this.#followed === desiredState && this.#state !== undefined
  }

  /** Sets a problem of the surrounding process; it is reported until it is withdrawn with undefined. */
  setProblem(key: string, problem: NodeProblem | undefined): void {
    if (problem === undefined) this.#problems.delete(key)
    else this.#problems.set(key, problem)
    this.#report()
  }

  /** Runs until the signal fires; then open connections may finish. */
  async run(signal: AbortSignal): Promise<void> {
    // If one part fails, the others are ended too: the process exits, and its supervisor restarts it.
    const failed = new AbortController()
    const ended = AbortSignal.any([signal, failed.signal])
    const parts = [this.#view.run(ended), this.#reporter.run(ended), this.#work(ended)]
    try {
      await Promise.all(parts)
    } finally {
      failed.abort()
      await Promise.allSettled(parts)
    }
  }

  async #work(signal: AbortSignal): Promise<void> {
    try {
      const until = performance.now() + this.#pace.patience
      const isBlind = (): boolean => this.#view.desiredState === undefined || this.#view.node === undefined
      let left = this.#pace.patience
      for (; isBlind() && left > 0 && !signal.aborted; left = until - performance.now())
        await this.#alarm.wait(left, signal)
      while (!signal.aborted) {
        await this.#safeRound()
        this.#turnedAt = performance.now()
        const proof = this.#proof.wait(this.#view.desiredState, this.#state) ?? this.#pace.look
        await this.#alarm.wait(Math.min(this.#pace.look, proof), signal)
      }
    } finally {
      this.#proof.close()
      await this.#proxy.close()
    }
  }

  /** A bug in one round is reported and does not stop the next ones. */
  async #safeRound(): Promise<void> {
    try {
      await this.#round()
      this.setProblem('round', undefined)
    } catch (error) {
      const message = reasonOf(error)
      this.#options.log.error('a round failed', { error: message, stack: stackOf(error) })
      this.setProblem('round', {
        code: 'AGENT_FAILED',
        message: `a bug in the agent: ${message}`,
        fatal: false,
      })
    }
  }

  async #round(): Promise<void> {
    const { desiredState } = this.#view
    const settings = desiredState?.settings
    await this.#turn.renew().catch(() => undefined)
    if (settings?.restartRuntime === false && this.#turn.holds) await this.#turn.pass().catch(() => undefined)
    if (settings?.mode === 'trust') {
      this.#pool.setFallbacks(settings.clusterIps.map((host) => ({ host, port: 443 })))
      const before = this.#proxy.port
      await this.#proxy.listen(settings.loopbackPort)
      if (this.#proxy.port !== before) this.#changed = true
    }
    const expired = performance.now() - this.#assertedAt >= this.#pace.assert
    if (this.#changed || expired || !this.#isLoaded || (await this.#hasMoved(desiredState))) {
      this.#changed = false
      this.#assertedAt = performance.now()
      await this.#assert(desiredState)
    }
    await this.#letPodsCome(desiredState)
    await this.#letNextRestart()
    if (settings?.mode === 'trust') await this.#proof.start(desiredState, this.#state)
    this.#report()
  }

  async #assert(desiredState: DesiredState | undefined): Promise<void> {
    const { node } = this.#view
    this.#reporter.setOwner(node?.uid)
    await this.#load()
    this.#trust.setDesired(desiredState)
    if (this.#isLoaded) await this.#reporter.announce()
    const state = await this.#trust.keep(desiredState, this.#nodeContext)
    if (desiredState?.settings.mode === 'undo') {
      // The files are removed, and the proxy that they named with them.
      this.#proxy.stop()
      await this.#proof.forget(desiredState, state)
    }
    if (state.changed || state.written !== this.#state?.written) this.#canary.hurry()
    this.#state = state
    this.#followed = desiredState
    this.#report()
  }

  /** Runs before the proof, which may take long. */
  async #letPodsCome(desiredState: DesiredState | undefined): Promise<void> {
    if (desiredState?.settings.startupTaint !== true || this.#view.node?.held !== true || !this.#state) return
    if (mayTakePods(desiredState.settings, this.#state, this.#canary.isProof)) await this.#taint.lift()
  }

  /**
   * Reads for which hosts the previous agent on this node has written files. Its report is not overwritten
   * before it was read.
   */
  async #load(): Promise<void> {
    if (this.#isLoaded) return
    try {
      this.#trust.track(await this.#reporter.load())
      this.#isLoaded = true
    } catch (error) {
      this.#isLoaded = error instanceof ClusterFault && error.kind === 'forbidden'
      this.#options.log.debug('the last report cannot be read', { error: reasonOf(error) })
    }
  }

  /** Lets the next node restart its runtime, once this node has pulled the canary. */
  async #letNextRestart(): Promise<void> {
    if (!this.#canary.isProof || this.#state?.facts.class === 'unset') return
    await this.#turn.load().catch(() => undefined)
    await this.#turn.pass().catch(() => undefined)
  }

  /**
   * Whether the node has changed without an event: the kubelet has replaced its certificate, another program
   * has removed or released files, a disk has room again, or an undo can remove what it had to leave.
   */
  async #hasMoved(desiredState: DesiredState | undefined): Promise<boolean> {
    if (this.#state === undefined) return true
    if (desiredState === undefined) return false
    if (desiredState.settings.mode === 'undo') return !this.#state.undone
    return !this.#state.settled || this.#trust.hasMoved(this.#state, desiredState, this.#nodeContext)
  }

  get #nodeContext(): NodeContext {
    const { node } = this.#view
    return { machine: node?.machine, address: node?.address, loopbackPort: this.#proxy.port }
  }

  #takeSlices(slices: readonly KubeObject[]): void {
    this.#pool.setEndpoints(endpointsOf(slices))
    this.#canary.see(servingPods(slices))
    this.#alarm.ring()
    this.#report()
  }

  async #certify(request: string): Promise<string> {
    const { desiredState, node } = this.#view
    if (desiredState === undefined) throw new Error('there are no settings yet')
    const places = nodeEndpoints(desiredState.settings, {
      loopbackPort: this.#proxy.port,
      address: node?.address,
    })
    const reasons: string[] = []
    for (const endpoint of places) {
      try {
        return await this.#options.certify({ endpoint, ca: desiredState.bundle, request })
      } catch (error) {
        reasons.push(reasonOf(error))
      }
    }
    throw new Error(reasons.join('; ') || `there is no way to Service ${names.service}`)
  }

  #report(): void {
    if (this.#state === undefined || !this.#isLoaded) return
    const { node, version } = this.#options
    this.#reporter.report(
      reportOf({
        node,
        agent: version,
        desiredState: this.#view.desiredState,
        state: this.#state,
        hosts: this.#trust.hosts,
        proxy: this.#proxy,
        pool: this.#pool,
        canary: this.#canary,
        problems: [...this.#view.problems, ...this.#taint.problems, ...this.#problems.values()],
      }),
    )
  }
}
