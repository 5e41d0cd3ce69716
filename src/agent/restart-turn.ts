import type { NodeProblem } from '../cluster/node-report.ts'
import type { NodeSettings } from '../cluster/node-settings.ts'
import type { RuntimeLease } from './runtime-lease.ts'

/**
 * Whether this node's runtime may be restarted now: one node at a time, each once, and the next one only
 * after the one before has pulled the canary.
 */
export class RestartTurn {
  readonly #lease: RuntimeLease
  readonly #node: string
  #asked = false
  #holds = false
  #tried = false
  #failure: NodeProblem | undefined

  constructor(lease: RuntimeLease, node: string) {
    this.#lease = lease
    this.#node = node
  }

  get holds(): boolean {
    return this.#holds
  }

  /** Takes the turn, or returns why it is not granted. Rejects with ClusterFault. */
  async take(
    settings: NodeSettings,
  ): Promise<{ readonly granted: true } | { readonly granted: false; readonly problem: NodeProblem }> {
    await this.load()
    if (this.#tried) {
      if (this.#failure !== undefined) return { granted: false, problem: this.#failure }
      return this.#refuse(
        'RUNTIME_RESTART_FAILED',
        `the runtime of node ${this.#node} was restarted and still reads no folder of registries; no other node is restarted`,
        `On node ${this.#node}: journalctl -u containerd | tail. trow install without --restart-runtime lets go of it.`,
      )
    }
    if (settings.canary === undefined) {
      return this.#refuse(
        'RUNTIME_RESTART_WAITS',
        `the runtime of node ${this.#node} is restarted when there is an image to prove it with`,
        'trow install pushes one at its end.',
      )
    }
    const answer = await this.#lease.take()
    if (!answer.held) {
      return this.#refuse(
        'RUNTIME_RESTART_WAITS',
        `the runtime of node ${this.#node} is restarted after that of node ${answer.holder}`,
        `trow status shows node ${answer.holder}; it goes on when that node has pulled.`,
      )
    }
    this.#holds = true
    this.#tried = true
    return { granted: true }
  }

  /** Reads whether a previous agent on this node still holds the lease, and so has restarted the runtime. */
  async load(): Promise<void> {
    if (this.#asked) return
    this.#holds = await this.#lease.isHeld()
    this.#tried = this.#holds
    this.#asked = true
  }

  /** Must be called more often than the lease expires. */
  async renew(): Promise<void> {
    if (this.#holds) this.#holds = (await this.#lease.take()).held
  }

  /** Passes the turn to the next node: the canary was pulled, or no restart is wanted any more. */
  async pass(): Promise<void> {
    if (this.#holds) await this.#lease.release()
    this.#holds = false
    this.#tried = false
    this.#failure = undefined
  }

  /** The restart failed: the turn is kept, so that no other node tries the same. */
  fail(problem: NodeProblem): void {
    this.#failure = problem
  }

  #refuse(code: string, message: string, hint: string): { granted: false; problem: NodeProblem } {
    return { granted: false, problem: { code, message, hint, fatal: true } }
  }
}
