import type { Log } from '../log.ts'
import { reasonOf } from '../reason-of.ts'
import type { LogName } from './chain.ts'
import type { Facts } from './audit-note.ts'
import type { HeadWitness, WitnessedHeads } from './log-head.ts'
import { compareWithWitness } from './recovery.ts'
import type { SegmentLog } from './segment-log.ts'

export interface HeadKeeperParts {
  readonly witness: HeadWitness
  /** The public key that heads are signed with. */
  readonly verifier: string
  readonly say: Log
  /** Milliseconds between two writes at least; 10 s when not given. */
  readonly every?: number
}

const usualEvery = 10_000
const patience = 5000

/**
 * Brings the last heads to a witness now and then, and at the end. Nothing waits for it: while the witness is away the
 * newest heads wait here. Nothing is written before `compare`.
 */
export class HeadKeeper {
  readonly #parts: HeadKeeperParts
  #known: WitnessedHeads | undefined
  #isCompared = false
  #mayWrite = false
  #waiting: WitnessedHeads = {}
  #running: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  readonly #closing = new AbortController()
  #isFailing = false

  constructor(parts: HeadKeeperParts) {
    this.#parts = parts
  }

  /** Begins, and waits `limit` ms at most for what the witness has. */
  async open(limit: number): Promise<void> {
    const timer = Promise.withResolvers<void>()
    const late = setTimeout(timer.resolve, limit)
    this.#tick()
    await Promise.race([this.#running, timer.promise])
    clearTimeout(late)
  }

  /**
   * Compares the logs with what the witness has, once, as soon as that is known and before it is given anything new. What
   * contradicts them stays there, as evidence. Returns what is to be put on record.
   */
  async compare(logs: readonly SegmentLog[]): Promise<readonly Facts[]> {
    const known = this.#known
    if (known === undefined || this.#isCompared) return []
    this.#isCompared = true
    const found: Facts[] = []
    let contradicts = false
    for (const log of logs) {
      const problem = await compareWithWitness(log, known, this.#parts.witness.name)
      if (problem === undefined) continue
      found.push(problem.facts)
      contradicts ||= problem.contradicts
    }
    this.#mayWrite = !contradicts
    return found
  }

  offer(log: LogName, head: string): void {
    this.#waiting = { ...this.#waiting, [log]: head }
  }

  /** What waits is written, if the witness takes it within some seconds. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    if (!this.#mayWrite) this.#closing.abort()
    await this.#running
    clearTimeout(this.#timer)
    if (this.#mayWrite) await this.#attempt()
  }

  #tick(): void {
    this.#running = this.#attempt().finally(() => {
      this.#timer = setTimeout(() => this.#tick(), this.#parts.every ?? usualEvery)
    })
  }

  async #attempt(): Promise<void> {
    const { witness, verifier, say } = this.#parts
    const signal = AbortSignal.any([AbortSignal.timeout(patience), this.#closing.signal])
    const sent = this.#waiting
    try {
      if (this.#known === undefined) this.#known = await witness.read(signal)
      else if (this.#mayWrite && Object.keys(sent).length > 0) {
        await witness.write({ ...sent, key: verifier }, signal)
        if (this.#waiting === sent) this.#waiting = {}
      }
      if (this.#isFailing) say.info('heads of the audit log are kept elsewhere again', { in: witness.name })
      this.#isFailing = false
    } catch (error) {
      if (!this.#isFailing && !this.#closing.signal.aborted) {
        say.warn('heads of the audit log cannot be kept elsewhere now', {
          in: witness.name,
          reason: reasonOf(error),
        })
      }
      this.#isFailing = true
    }
  }
}
