import type { Worker } from 'node:worker_threads'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TlsPair } from '../../http/tls-context.ts'
import type { Log } from '../../log.ts'
import { ThreadChannel } from '../../messaging/thread-channel.ts'
import { reasonOf, stackOf } from '../../reason-of.ts'
import type { Ticket } from '../../storage/ticket.ts'
import type { ServedThread } from './served-thread.ts'
import { ended, patience, startThread } from './threads.ts'
import type { SeenHealth, WorkerCounts, WorkerMain, WorkerSide, WorkerStart } from './thread-protocol.ts'

export interface WorkerGroupOptions {
  readonly count: number
  readonly log: Log
  /** What workers hold in shared memory, to be taken back from one that died. */
  readonly held: readonly { reclaim(worker: number): void }[]
  /** All of a worker's start but what is its own. */
  readonly start: Omit<WorkerStart, 'number' | 'storage' | 'tls' | 'access' | 'audit' | 'seen'>
  readonly attach: (worker: number) => Ticket
  readonly access: ServedThread | undefined
  readonly audit: ServedThread | undefined
  readonly tls: TlsPair | undefined
  readonly seen: SeenHealth
  readonly accessLog: (lines: string) => void
}

interface RunningWorker {
  readonly thread: Worker
  readonly channel: ThreadChannel<WorkerSide>
}

const firstDelay = 100
const longestDelay = 5000
/** The HTTP workers. One that dies is replaced; the others do not notice. */
export class WorkerGroup {
  readonly #options: WorkerGroupOptions
  readonly #workers = new Map<number, RunningWorker>()
  #tls: TlsPair | undefined
  #seen: SeenHealth
  #stopping = false

  constructor(options: WorkerGroupOptions) {
    this.#options = options
    this.#tls = options.tls
    this.#seen = options.seen
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

  setSeen(seen: SeenHealth): void {
    this.#seen = seen
    for (const { channel } of this.#workers.values()) channel.tell('setSeen', [seen])
  }

  /**
   * All workers listen, and serve pulls, until the transfers of now are done everywhere or `limit` ms are over; then
   * they end. A second call may shorten that.
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

  async #start(number: number, delay: number): Promise<void> {
    const { start, log, attach, accessLog, access, audit } = this.#options
    const storage = attach(number)
    const ports = { access: access?.attach(), audit: audit?.attach() }
    const data: WorkerStart = {
      ...start,
      ...ports,
      number,
      tls: this.#tls,
      seen: this.#seen,
      storage,
    }
    const transfer = [...storage.ports, ports.access, ports.audit].filter((port) => port !== undefined)
    const thread = startThread('http-worker', data, transfer)
    const local: WorkerMain = { accessLines: accessLog }
    const channel = new ThreadChannel<WorkerSide>(thread, local)
    const worker: RunningWorker = { thread, channel }
    this.#workers.set(number, worker)
    const since = performance.now()
    thread.on('error', (error) => log.error('a worker died', { worker: number, stack: stackOf(error) }))
    thread.on('exit', (code) => {
      for (const each of this.#options.held) each.reclaim(number)
      if (this.#workers.get(number) === worker) this.#workers.delete(number)
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
