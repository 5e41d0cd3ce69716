import type { BreakGlass } from '../../admission/break-glass.ts'
import type { WebhookChange } from '../../cluster/webhook-configuration.ts'
import type { TlsPair } from '../../http/tls-context.ts'
import type { Log } from '../../log.ts'
import { ReplacedThread } from '../threads/replaced-thread.ts'
import { patience } from '../threads/threads.ts'
import type { WorkerPolicies } from '../threads/worker-policies.ts'
import type { ClusterMain, ClusterSide, ClusterStart, ClusterState } from './cluster-protocol.ts'

export interface AdmissionClusterOptions {
  readonly start: Omit<ClusterStart, 'generation'>
  readonly policies: WorkerPolicies
  /** Receives every pair that is to be shown. */
  readonly onPair: (pair: TlsPair) => void
  readonly onBreakGlass: (open: BreakGlass | undefined, isHolder: boolean) => void
  /** On one of the pods only. */
  readonly onWebhooksChanged: (change: WebhookChange) => void
  readonly log: Log
}

interface Told {
  pair: TlsPair | undefined
  breakGlass: BreakGlass | undefined
  isSynced: boolean
}

/**
 * Main's side of the thread that follows the cluster: policies, certificate, webhook configuration. It is replaced when it dies,
 * and everything is judged by what it said last meanwhile.
 */
export class AdmissionCluster {
  readonly #thread: ReplacedThread<ClusterSide>
  readonly #told: Told

  /** Rejects when the first thread does not start. */
  static async start(options: AdmissionClusterOptions): Promise<AdmissionCluster> {
    const { start, policies, onPair, onBreakGlass, onWebhooksChanged, log } = options
    const told: Told = { pair: undefined, breakGlass: undefined, isSynced: false }
    const local: ClusterMain = {
      publish: (packed) => policies.take(packed),
      setTls(pair) {
        told.pair = pair
        onPair(pair)
      },
      setBreakGlass(open, isHolder) {
        told.breakGlass = open
        onBreakGlass(open, isHolder)
      },
      synced: () => void (told.isSynced = true),
      webhooksChanged(change, isHolder) {
        log.warn('somebody else has changed the webhook configuration', {
          manager: change.manager,
          time: new Date(change.time).toISOString(),
          fields: change.fields.slice(0, 20),
        })
        if (isHolder) onWebhooksChanged(change)
      },
    }
    const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const thread = await ReplacedThread.start<ClusterSide>({
      module: new URL(`./cluster-thread.${ending}`, import.meta.url),
      name: 'the thread that follows the cluster',
      data: () => ({
        start: { ...start, generation: policies.current?.generation ?? 0 } satisfies ClusterStart,
        ports: [],
      }),
      local,
      log,
    })
    return new AdmissionCluster(thread, told)
  }

  private constructor(thread: ReplacedThread<ClusterSide>, told: Told) {
    this.#thread = thread
    this.#told = told
  }

  /** Undefined: there is none yet. */
  get pair(): TlsPair | undefined {
    return this.#told.pair
  }

  /** Undefined: it is not open, or its time is over. */
  breakGlass(now: number): BreakGlass | undefined {
    const { breakGlass } = this.#told
    return breakGlass !== undefined && now < breakGlass.until ? breakGlass : undefined
  }

  /** Whether the policies of the cluster were in force in this process, and not only what was last good before it. */
  get isSynced(): boolean {
    return this.#told.isSynced
  }

  /** The number of times that the thread was replaced. */
  get restarts(): number {
    return this.#thread.restarts
  }

  /** Undefined when the thread has ended or does not answer in time. */
  async state(): Promise<ClusterState | undefined> {
    return this.#thread.channel?.callWithin(patience, 'state').catch(() => undefined)
  }

  stop(): Promise<void> {
    return this.#thread.stop()
  }
}
