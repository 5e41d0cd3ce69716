import type { Worker } from 'node:worker_threads'
import type { Health } from '../../http/health-routes.ts'
import type { Log } from '../../log.ts'
import { ThreadChannel } from '../../messaging/thread-channel.ts'
import { reasonOf, stackOf } from '../../reason-of.ts'
import type { Ticket } from '../../storage/ticket.ts'
import { ended, patience, startThread } from './threads.ts'
import type { MaintenanceSide, MaintenanceStart, MaintenanceTotals } from './thread-protocol.ts'

export interface MaintenanceOptions {
  readonly start: Omit<MaintenanceStart, 'storage'>
  readonly attach: () => Ticket
  readonly onChange: (health: Health) => void
  readonly log: Log
}

const firstDelay = 100
const longestDelay = 5000
/** The thread that collects garbage and answers the control socket; main's side of it. One that dies is replaced. */
export class Maintenance {
  readonly #options: MaintenanceOptions
  #running: { readonly thread: Worker; readonly channel: ThreadChannel<MaintenanceSide> } | undefined
  #timer: NodeJS.Timeout | undefined
  #stopping = false
  #restarts = 0
  #health: Health = { ok: true }

  /** Rejects where the first thread does not start. */
  static async start(options: MaintenanceOptions): Promise<Maintenance> {
    const maintenance = new Maintenance(options)
    await maintenance.#begin(firstDelay)
    return maintenance
  }

  private constructor(options: MaintenanceOptions) {
    this.#options = options
  }

  /** How often a thread was replaced. */
  get restarts(): number {
    return this.#restarts
  }

  get health(): Health {
    return this.#health
  }

  /** Undefined where the thread has ended or does not answer in time. */
  async totals(): Promise<MaintenanceTotals | undefined> {
    return this.#running?.channel.callWithin(patience, 'totals').catch(() => undefined)
  }

  async stop(): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#timer)
    if (this.#running === undefined) return
    const { thread, channel } = this.#running
    const gone = ended(thread)
    channel.tell('stop', [])
    await gone
  }

  async #begin(delay: number): Promise<void> {
    const { start, attach, log } = this.#options
    const data: MaintenanceStart = { ...start, storage: attach() }
    const thread = startThread('maintenance-thread', data, data.storage.ports)
    const channel = new ThreadChannel<MaintenanceSide>(thread)
    this.#running = { thread, channel }
    let isReady = false
    const since = performance.now()
    thread.on('error', (error) => log.error('maintenance has died', { stack: stackOf(error) }))
    thread.on('exit', () => {
      this.#running = undefined
      if (this.#stopping || !isReady) return
      const next = performance.now() - since > 10_000 ? firstDelay : Math.min(delay * 2, longestDelay)
      this.#set({ ok: false, reason: 'the thread that collects garbage has died and is being replaced' })
      this.#timer = setTimeout(() => void this.#restart(next), delay)
    })
    await channel.call('start')
    isReady = true
    this.#set({ ok: true })
  }

  async #restart(delay: number): Promise<void> {
    if (this.#stopping) return
    this.#restarts++
    try {
      await this.#begin(delay)
      this.#options.log.warn('maintenance was replaced')
    } catch (error) {
      const reason = reasonOf(error)
      this.#options.log.error('maintenance could not be replaced; it is tried again', { reason })
      const next = Math.min(delay * 2, longestDelay)
      this.#timer = setTimeout(() => void this.#restart(next), delay)
    }
  }

  #set(health: Health): void {
    this.#health = health
    this.#options.onChange(health)
  }
}
