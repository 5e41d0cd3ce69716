import { setTimeout as sleep } from 'node:timers/promises'
import type { Caller } from './callers.ts'

/** Phases of a run. A reply counts for the phase in which its request was made. */
export type Phase = 'before' | 'during' | 'recovery' | 'after'

export interface Tally {
  readonly statuses: Map<string, number>
  /** Number of 503 replies without Retry-After. */
  withoutRetryAfter: number
  /** Milliseconds. */
  slowest: number
}

/** Every caller at once, `rate` requests a second of each, until it is ended. */
export class CallerLoad {
  phase: Phase = 'before'
  readonly #tallies = new Map<string, Tally>()
  readonly #callers: readonly Caller[]
  readonly #lastUnusual = new Map<string, number>()
  #ended = false
  readonly #running: Promise<unknown>

  constructor(callers: readonly Caller[], rate: number) {
    this.#callers = callers
    this.#running = Promise.all(callers.map((caller) => this.#run(caller, 1000 / rate)))
  }

  async end(): Promise<void> {
    this.#ended = true
    await this.#running
  }

  tally(caller: Caller, phase: Phase): Tally {
    const key = `${phase} ${caller.name}`
    let tally = this.#tallies.get(key)
    if (tally === undefined)
      this.#tallies.set(key, (tally = { statuses: new Map(), withoutRetryAfter: 0, slowest: 0 }))
    return tally
  }

  /** When a caller last got something else than is usual; 0: never. */
  lastUnusual({ name }: Caller): number {
    return this.#lastUnusual.get(name) ?? 0
  }

  /** A row for each caller and phase. */
  table(phases: readonly Phase[]): string {
    const known = ['200', '201', '401', '403', '503']
    const rows = [['caller', 'phase', 'requests', '2xx', '401', '403', '503', 'others', 'slowest ms']]
    for (const caller of this.#callers) {
      for (const phase of phases) {
        const { statuses, slowest } = this.tally(caller, phase)
        const count = (...names: readonly string[]): number =>
          names.reduce((sum, name) => sum + (statuses.get(name) ?? 0), 0)
        const all = count(...statuses.keys())
        const counts = [all, count('200', '201'), count('401'), count('403'), count('503')]
        const cells = [...counts, all - count(...known), Math.round(slowest)]
        rows.push([caller.name, phase, ...cells.map(String)])
      }
    }
    const widths = (rows[0] ?? []).map((_, column) =>
      Math.max(...rows.map((row) => (row[column] ?? '').length)),
    )
    return rows
      .map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
      .join('\n')
  }

  async #run(caller: Caller, interval: number): Promise<void> {
    let next = performance.now() + Math.random() * interval
    while (!this.#ended) {
      await sleep(Math.max(next - performance.now(), 0))
      next = Math.max(next + interval, performance.now())
      const { phase } = this
      const tally = this.tally(caller, phase)
      const started = performance.now()
      let status: string
      try {
        const reply = await caller.send()
        status = String(reply.status)
        if (status === '503' && reply.headers['retry-after'] === undefined) tally.withoutRetryAfter++
      } catch (error) {
        status = (error as Error).message
      }
      tally.slowest = Math.max(tally.slowest, performance.now() - started)
      tally.statuses.set(status, (tally.statuses.get(status) ?? 0) + 1)
      if (status !== String(caller.usual)) this.#lastUnusual.set(caller.name, Date.now())
    }
  }
}
