import type { Worker } from 'node:worker_threads'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TlsPair } from '../../http/tls-context.ts'
import type { Log } from '../../log.ts'
import type { Ticket } from '../../storage/ticket.ts'
import { UserError } from '../../user-error.ts'
import type { ServedThread } from './served-thread.ts'
import { ended, firstMessage, startThread } from './threads.ts'
import type { SeenHealth, WorkerCounts, WorkerOrder, WorkerReport, WorkerStart } from './thread-protocol.ts'

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

const firstDelay = 100
const longestDelay = 5000
/** Who asks for numbers is not kept waiting by a worker that is busy; milliseconds. */
const patience = 2000

/** The HTTP workers. One that dies is replaced; the others do not notice. */
export class WorkerGroup {
  readonly #options: WorkerGroupOptions
  readonly #workers = new Map<number, Worker>()
  #tls: TlsPair | undefined
  #seen: SeenHealth
  #stopping = false
  #lastId = 0

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
    this.#tell({ kind: 'tls', pair })
  }

  setSeen(seen: SeenHealth): void {
    this.#seen = seen
    this.#tell({ kind: 'seen', seen })
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
      const idle = all.map((worker) =>
        firstMessage(worker, ({ kind }: WorkerReport) => (kind === 'wound-down' ? true : undefined)),
      )
      this.#tell({ kind: 'wind-down' })
      await Promise.race([Promise.allSettled(idle), sleep(limit, undefined, { ref: false })])
    }
    this.#tell({ kind: 'close', limit: Math.max(0, deadline - performance.now()) })
    await Promise.all(all.map(ended))
  }

  async counts(): Promise<WorkerCounts[]> {
    const id = ++this.#lastId
    const asked = [...this.#workers.values()].map((worker) =>
      firstMessage(
        worker,
        (message: WorkerReport) =>
          message.kind === 'counts' && message.id === id ? message.counts : undefined,
        patience,
      ).catch(() => undefined),
    )
    this.#tell({ kind: 'counts', id })
    return (await Promise.all(asked)).filter((counts) => counts !== undefined)
  }

  #tell(order: WorkerOrder): void {
    for (const worker of this.#workers.values()) worker.postMessage(order)
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
    const worker = startThread('http-worker', data, transfer)
    this.#workers.set(number, worker)
    worker.on('message', (report: WorkerReport) => {
      if (report.kind === 'access') accessLog(report.lines)
    })
    const since = performance.now()
    worker.on('error', (error) =>
      log.error('a worker died', { worker: number, stack: (error as Error).stack }),
    )
    worker.on('exit', (code) => {
      for (const each of this.#options.held) each.reclaim(number)
      if (this.#workers.get(number) === worker) this.#workers.delete(number)
      if (this.#stopping || !listening) return
      const next = performance.now() - since > 10_000 ? firstDelay : Math.min(delay * 2, longestDelay)
      log.warn('a worker is replaced', { worker: number, code })
      setTimeout(() => void this.#restart(number, next), delay)
    })
    let listening = false
    const result = await firstMessage(worker, (report: WorkerReport) =>
      report.kind === 'listening' || report.kind === 'failed' ? report : undefined,
    )
    if (result.kind === 'failed') {
      await worker.terminate()
      throw cannotListen(start.host, start.port, result)
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
        reason: (error as Error).message,
      })
      setTimeout(() => void this.#restart(number, Math.min(delay * 2, longestDelay)), delay)
    }
  }
}

export function cannotListen(
  host: string,
  port: number,
  { code, message }: { readonly code: string; readonly message: string },
): UserError {
  if (code === 'EADDRINUSE') {
    return new UserError('PORT_TAKEN', `port ${port} of ${host} is taken by another program`, {
      hint: `Choose another with --listen ${host}:${port + 1}, or stop the other program (ss -ltnp 'sport = :${port}').`,
    })
  }
  if (code === 'EACCES') {
    return new UserError('PORT_NOT_PERMITTED', `this user may not listen on port ${port}`, {
      hint: 'Choose a port from 1024 on with --listen.',
    })
  }
  return new UserError('LISTEN_FAILED', `cannot listen on ${host}:${port}: ${message}`, {
    hint: 'Check the address given with --listen: it must be one of this machine.',
  })
}
