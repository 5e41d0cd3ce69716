import type { Log } from '../log.ts'
import { reasonOf } from '../reason-of.ts'

/** What may fail without harm and is tried again: said once until it succeeds. */
export class QuietTries {
  readonly #say: Log
  readonly #failing = new Set<string>()

  constructor(say: Log) {
    this.#say = say
  }

  async run(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
      this.#failing.delete(what)
    } catch (error) {
      if (!this.#failing.has(what)) this.#say.warn(what, { reason: reasonOf(error) })
      this.#failing.add(what)
    }
  }
}
