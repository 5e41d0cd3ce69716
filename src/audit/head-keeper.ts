import type { Log } from '../log.ts'
import { reasonOf } from '../reason-of.ts'
import type { LogName } from './chain.ts'
import type { AuditFacts } from './audit-record.ts'
import type { AuditLines, AuditLog } from './audit-store.ts'
import type { HeadWitness, WitnessedHeads } from './log-head.ts'
import { compareWithWitness } from './recovery.ts'

export interface HeadKeeperParts {
  readonly witness: HeadWitness
  /** The public key of the heads' signatures. */
  readonly verifier: string
  readonly logger: Log
  /** Minimum milliseconds between two writes; 10 s by default. */
  readonly every?: number
}

const usualEvery = 10_000
const patience = 5000

/**
 * Sends the latest heads to a witness at intervals, and once more at the end. Nothing waits for it: while the
 * witness is unreachable, the latest heads wait here. Nothing is written before `compare`.
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

  /** Starts, and waits at most `limit` ms for the heads that the witness has. */
  async open(limit: number): Promise<void> {
    const timer = Promise.withResolvers<void>()
    const late = setTimeout(timer.resolve, limit)
    this.#tick()
    await Promise.race([this.#running, timer.promise])
    clearTimeout(late)
  }

  /**
   * Compares the logs with the heads of the witness, once, as soon as those are known and before new heads
   * are written. If a head contradicts a log, the witness's heads are kept as evidence and never overwritten.
   * Returns the facts to be recorded.
   */
  async compare(lines: AuditLines, logs: readonly AuditLog[]): Promise<readonly AuditFacts[]> {
    const known = this.#known
    if (known === undefined || this.#isCompared) return []
    this.#isCompared = true
    const found: AuditFacts[] = []
    let contradicts = false
    for (const log of logs) {
      const problem = await compareWithWitness(lines, log, known, this.#parts.witness.name)
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

  /** Writes the waiting heads, if the witness accepts them within a few seconds. */
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
    const { witness, verifier, logger } = this.#parts
    const signal = AbortSignal.any([AbortSignal.timeout(patience), this.#closing.signal])
    const sent = this.#waiting
    try {
      if (this.#known === undefined) this.#known = await witness.read(signal)
      else if (this.#mayWrite && Object.keys(sent).length > 0) {
        await witness.write({ ...sent, key: verifier }, signal)
        if (this.#waiting === sent) this.#waiting = {}
      }
      if (this.#isFailing)
        logger.info('heads of the audit log are kept elsewhere again', { in: witness.name })
      this.#isFailing = false
    } catch (error) {
      if (!this.#isFailing && !this.#closing.signal.aborted) {
        logger.warn('heads of the audit log cannot be kept elsewhere now', {
          in: witness.name,
          reason: reasonOf(error),
        })
      }
      this.#isFailing = true
    }
  }
}
