import { reasonOf } from '../../reason-of.ts'
import { collectGarbage, type CollectOptions, type GarbageEvent } from '../../registry/garbage.ts'
import type { MaintenanceStores } from './stores.ts'

const orphanInterval = 24 * 3_600_000

/** Collects at every interval, and counts what went. One run at a time in this process. */
export class GarbageSchedule {
  readonly #stores: MaintenanceStores
  readonly #interval: number
  readonly #abort = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #nextOrphans = 0
  #totals = { collections: 0, collectedItems: 0, collectedBytes: 0, lastCollection: 0 }

  constructor(stores: MaintenanceStores, interval: number) {
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

  start(): void {
    this.#timer = setTimeout(() => {
      this.#running = this.#collect().finally(() => {
        if (!this.#abort.signal.aborted) this.start()
      })
    }, this.#interval)
  }

  /** One run now, for somebody who watches. */
  async *run(options: Pick<CollectOptions, 'dryRun' | 'kept'>): AsyncGenerator<GarbageEvent> {
    const now = this.#stores.clocks.monotonic()
    const orphans = !options.dryRun && now >= this.#nextOrphans
    for await (const event of collectGarbage(this.#stores, {
      ...options,
      orphans,
      signal: this.#abort.signal,
    })) {
      if (!options.dryRun) this.#count(event)
      yield event
    }
    if (orphans) this.#nextOrphans = now + orphanInterval
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    this.#abort.abort()
    await this.#running
  }

  async #collect(): Promise<void> {
    const { log } = this.#stores
    const before = this.#totals.collectedItems
    try {
      for await (const event of this.run({ dryRun: false })) {
        if (event.kind === 'suspended') {
          log.warn('the clock has jumped: nothing is collected for one grace period', {
            until: new Date(event.until).toISOString(),
          })
        }
      }
      const items = this.#totals.collectedItems - before
      if (items > 0) log.info('collected garbage', { items })
    } catch (error) {
      if (this.#abort.signal.aborted) return
      log.error('the collection of garbage failed; it is tried again', { reason: reasonOf(error) })
    }
  }

  #count(event: GarbageEvent): void {
    if (event.kind === 'item') {
      this.#totals.collectedItems++
      if (event.action === 'deleted') this.#totals.collectedBytes += event.item.bytes
    } else if (event.kind === 'freed') {
      this.#totals.collections++
      this.#totals.lastCollection = Math.floor(this.#stores.clocks.wall() / 1000)
    }
  }
}
