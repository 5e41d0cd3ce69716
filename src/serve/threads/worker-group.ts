import type { Worker } from 'node:worker_threads'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TlsPair } from '../../http/tls-context.ts'
import type { Log } from '../../log.ts'
import { ThreadChannel } from '../../messaging/thread-channel.ts'
import { reasonOf, stackOf } from '../../reason-of.ts'
import type { PackedPolicies } from '../../policy-store/packed-policies.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import type { Ticket } from '../../storage/ticket.ts'
import type { ServedThread } from './served-thread.ts'
import { Confirmations } from './confirmations.ts'
import { confirmPatience, ended, patience, startThread } from './threads.ts'
import type { SeenHealth, WorkerCounts, WorkerMain, WorkerSide, WorkerStart } from './thread-protocol.ts'

export interface WorkerGroupOptions {
  readonly count: number
  readonly log: Log
  /** Shared memory from which a dead worker's part must be released. */
  readonly held: readonly { reclaim(worker: number): void }[]
  /** The part of `WorkerStart` that is the same for all workers. */
  readonly start: Omit<WorkerStart, 'number' | 'storage' | 'tls' | 'access' | 'audit' | 'seen' | 'policies'>
  readonly attach: (worker: number) => Ticket
  readonly access: ServedThread | undefined
  readonly audit: ServedThread | undefined
  readonly tls: TlsPair | undefined
  readonly seen: SeenHealth
  /** Undefined: none are configured, or none were read yet. */
  readonly policies: PackedPolicies | undefined
  readonly accessLog: (lines: string) => void
  /** Receives changes of policies that a webhook has let through. */
  readonly announce: WorkerMain['announce']
}

interface RunningWorker {
  readonly thread: Worker
  readonly channel: ThreadChannel<WorkerSide>
  isDead: boolean
}

const firstDelay = 100
const longestDelay = 5000
/** The HTTP workers. A worker that dies is replaced; the others are not affected. */
export class WorkerGroup {
  readonly #options: WorkerGroupOptions
  readonly #workers = new Map<number, RunningWorker>()
  readonly #policiesTaken = new Confirmations(confirmPatience)
  #tls: TlsPair | undefined
  #seen: SeenHealth
  #settings: Settings
  #policies: PackedPolicies | undefined
  #stopping = false

  constructor(options: WorkerGroupOptions) {
    this.#options = options
    this.#tls = options.tls
    this.#seen = options.seen
    this.#settings = options.start.settings
    this.#policies = options.policies
  }

  async start(): Promise<void> {
    await Promise.all(
      Array.from({ length: this.#options.count }, (_, number) => this.#start(number, firstDelay)),
    )
  }

  setTls(pair: TlsPair): void {
    this.#tls = pair
    for (const { channel } of this.#workers.values()) channel.tell('setTls', [pair])
  }

  /** Resolves when every live worker works with them; a worker that starts later does from the beginning. */
  async setSettings(settings: Settings): Promise<void> {
    this.#settings = settings
    await this.#askAll((channel) => channel.call('setSettings', settings))
  }

  /** The workers ask again for all that they know of credentials and rights. */
  forgetAccess(): void {
    for (const { channel } of this.#workers.values()) channel.tell('forgetAccess', [])
  }

  setSeen(seen: SeenHealth): void {
    this.#seen = seen
    for (const { channel } of this.#workers.values()) channel.tell('setSeen', [seen])
  }

  /**
   * Resolves when every live worker judges by them, or has had time to: `unconfirmed` names those that do not yet.
   * A worker that starts gets them before it listens.
   */
  async setPolicies(packed: PackedPolicies): Promise<void> {
    this.#policies = packed
    await Promise.all(
      [...this.#workers].map(([number, worker]) =>
        this.#policiesTaken.of(`worker ${number}`, () =>
          answered(worker, (channel) => channel.call('setPolicies', packed)),
        ),
      ),
    )
  }

  /** Workers that were sent policies and have not said that they judge by them. */
  get unconfirmed(): readonly string[] {
    return this.#policiesTaken.missing
  }

  /**
   * All workers continue to listen and serve pulls until every transfer that was running at the call has
   * ended on every worker, or until `limit` ms have passed; then they end. A second call may shorten the
   * limit.
   */
  async drain(limit: number): Promise<void> {
    this.#stopping = true
    const deadline = performance.now() + limit
    const all = [...this.#workers.values()]
    if (limit > 0) {
      const idle = all.map(({ channel }) => channel.call('windDown'))
      await Promise.race([Promise.allSettled(idle), sleep(limit, undefined, { ref: false })])
    }
    const left = Math.max(0, deadline - performance.now())
    const gone = all.map(({ thread }) => ended(thread))
    for (const { channel } of all) channel.tell('close', [left])
    await Promise.all(gone)
  }

  async counts(): Promise<WorkerCounts[]> {
    const asked = [...this.#workers.values()].map(({ channel }) =>
      channel.callWithin(patience, 'counts').catch(() => undefined),
    )
    return (await Promise.all(asked)).filter((counts) => counts !== undefined)
  }

  /** Resolves when every live worker has answered. */
  async #askAll(ask: (channel: ThreadChannel<WorkerSide>) => Promise<void>): Promise<void> {
    await Promise.all([...this.#workers.values()].map((worker) => answered(worker, ask)))
  }

  async #start(number: number, delay: number): Promise<void> {
    const { start, log, attach, accessLog, announce, access, audit } = this.#options
    const storage = attach(number)
    const ports = { access: access?.attach(), audit: audit?.attach() }
    const data: WorkerStart = {
      ...start,
      ...ports,
      settings: this.#settings,
      number,
      tls: this.#tls,
      seen: this.#seen,
      policies: this.#policies,
      storage,
    }
    const transfer = [...storage.ports, ports.access, ports.audit].filter((port) => port !== undefined)
    const thread = startThread('http-worker', data, transfer)
    const local: WorkerMain = { accessLines: accessLog, announce }
    const channel = new ThreadChannel<WorkerSide>(thread, local)
    const worker: RunningWorker = { thread, channel, isDead: false }
    this.#workers.set(number, worker)
    const since = performance.now()
    thread.on('error', (error) => {
      worker.isDead = true
      log.error('a worker died', { worker: number, stack: stackOf(error) })
    })
    thread.on('exit', (code) => {
      worker.isDead = true
      for (const each of this.#options.held) each.reclaim(number)
      if (this.#workers.get(number) === worker) {
        this.#workers.delete(number)
        // The one that replaces it starts with the latest.
        this.#policiesTaken.forget(`worker ${number}`)
      }
      if (this.#stopping || !listening) return
      const next = performance.now() - since > 10_000 ? firstDelay : Math.min(delay * 2, longestDelay)
      log.warn('a worker is replaced', { worker: number, code })
      setTimeout(() => void this.#restart(number, next), delay)
    })
    let listening = false
    try {
      await channel.call('listen')
    } catch (error) {
      await thread.terminate()
      throw error
    }
    listening = true
  }

  async #restart(number: number, delay: number): Promise<void> {
    if (this.#stopping) return
    try {
      await this.#start(number, delay)
    } catch (error) {
      this.#options.log.error('a worker could not be replaced', {
        worker: number,
        reason: reasonOf(error),
      })
      setTimeout(() => void this.#restart(number, Math.min(delay * 2, longestDelay)), delay)
    }
  }
}

/** Resolves when the worker has answered, or has died. */
async function answered(
  worker: RunningWorker,
  ask: (channel: ThreadChannel<WorkerSide>) => Promise<void>,
): Promise<void> {
  try {
    await ask(worker.channel)
  } catch (error) {
    if (!worker.isDead) throw error
  }
}
