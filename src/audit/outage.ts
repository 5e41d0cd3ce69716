import type { Facts } from './event.ts'

/** The time in which something could not be done, and what was lost in it; told once it is over. */
export class Outage {
  #since: number | undefined
  #until = 0
  #reason = ''
  #lost = 0

  get reason(): string | undefined {
    return this.#since === undefined ? undefined : this.#reason
  }

  get since(): number | undefined {
    return this.#since
  }

  /** True the first time. */
  fail(now: number, reason: string): boolean {
    const first = this.#since === undefined
    this.#since ??= now
    this.#until = now
    this.#reason = reason
    return first
  }

  lose(count: number, now: number): void {
    this.#lost += count
    if (this.#since === undefined) this.fail(now, 'more came than could be written')
  }

  /** Undefined when there was none. */
  end(now: number): Facts | undefined {
    if (this.#since === undefined) return undefined
    const facts = {
      reason: this.#reason,
      count: this.#lost,
      firstTime: new Date(this.#since).toISOString(),
      lastTime: new Date(Math.max(now, this.#until)).toISOString(),
    }
    this.#since = undefined
    this.#lost = 0
    return facts
  }
}
