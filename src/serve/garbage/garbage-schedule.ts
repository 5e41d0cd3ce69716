import { reasonOf } from '../../reason-of.ts'
import { collectGarbage, type CollectOptions, type GarbageEvent } from '../../registry/garbage.ts'
import type { MaintenanceStores } from './stores.ts'

/** Milliseconds: a timer may fire that much earlier than a collection of another process makes due. */
const slack = 1000

/**
 * Collects garbage at a fixed interval and counts what was removed. One run at a time, and where several processes
 * serve a registry, one of them in each interval.
 */
export class GarbageSchedule {
  readonly #stores: MaintenanceStores
  readonly #interval: () => number
  readonly #abort = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #isCollecting = false
  #totals = { collections: 0, collectedItems: 0, collectedBytes: 0, lastCollection: 0 }

  /** `interval`: milliseconds between two runs, asked before each. */
  constructor(stores: MaintenanceStores, interval: () => number) {
    this.#stores = stores
    this.#interval = interval
  }

  get totals(): Readonly<{
    collections: number
    collectedItems: number
    collectedBytes: number
    lastCollection: number
  }> {
    return this.#totals
  }

  start(after = this.#interval()): void {
    this.#timer = setTimeout(() => {
      this.#isCollecting = true
      this.#running = this.#collect().then((next) => {
        this.#isCollecting = false
        if (!this.#abort.signal.aborted) this.start(next)
      })
    }, after)
  }

  /** The interval has changed: it begins anew, unless a collection runs, which asks for it at its end. */
  restart(): void {
    if (this.#isCollecting || this.#abort.signal.aborted) return
    clearTimeout(this.#timer)
    this.start()
  }

  /** Something was found that a collection must say: it comes at once. */
  soon(): void {
    if (this.#isCollecting || this.#abort.signal.aborted) return
    clearTimeout(this.#timer)
    this.start(0)
  }

  /** Starts one run now and yields its events. */
  async *run(options: Omit<CollectOptions, 'signal'>): AsyncGenerator<GarbageEvent> {
    const { signal } = this.#abort
    for await (const event of collectGarbage(this.#stores, { ...options, signal })) {
      if (!options.dryRun) this.#count(event)
      yield event
    }
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    this.#abort.abort()
    await this.#running
  }

  /** Resolves to the milliseconds until the next collection, where another process has done this one. */
  async #collect(): Promise<number | undefined> {
    const { log } = this.#stores
    const before = this.#totals.collectedItems
    const interval = this.#interval()
    try {
      const atMostEvery = Math.max(0, interval - Math.min(slack, interval / 2))
      for await (const event of this.run({ dryRun: false, orphans: 'daily', atMostEvery })) {
        if (event.kind === 'done') return Math.max(slack, interval - event.ago)
        if (event.kind === 'suspended') {
          const { reason, until } = event
          log.warn('nothing is collected now', { reason, until: new Date(until).toISOString() })
        }
        if (event.kind === 'lost-blob') {
          const { digest, repositories } = event
          log.error('the bytes of a blob are gone: push it again', { digest, in: repositories.join(', ') })
        }
      }
      const items = this.#totals.collectedItems - before
      if (items > 0) log.info('collected garbage', { items })
    } catch (error) {
      if (this.#abort.signal.aborted) return undefined
      log.error('the collection of garbage failed; it is tried again', { reason: reasonOf(error) })
    }
    return undefined
  }

  #count(event: GarbageEvent): void {
    if (event.kind === 'item') {
      this.#totals.collectedItems++
      if (event.action === 'deleted') this.#totals.collectedBytes += event.item.bytes
    } else if (event.kind === 'done') {
      this.#totals.lastCollection = Math.floor(event.at / 1000)
    } else if (event.kind === 'freed') {
      this.#totals.collections++
      this.#totals.lastCollection = Math.floor(this.#stores.clocks.wall() / 1000)
    }
  }
}
