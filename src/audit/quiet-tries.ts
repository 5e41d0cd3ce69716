import type { Log } from '../log.ts'
import { reasonOf } from '../reason-of.ts'

/**
 * Runs work that may fail without harm and is tried again. A failure is logged once, until the work succeeds.
 */
export class QuietTries {
  readonly #logger: Log
  readonly #failing = new Set<string>()

  constructor(logger: Log) {
    this.#logger = logger
  }

  async run(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
      this.#failing.delete(what)
    } catch (error) {
      if (!this.#failing.has(what)) this.#logger.warn(what, { reason: reasonOf(error) })
      this.#failing.add(what)
    }
  }
}
