import type { Log } from '../log.ts'
import { reasonOf } from '../reason-of.ts'
import type { LogName } from './chain.ts'
import type { AuditLog, Pruning } from './audit-store.ts'
import type { AuditOutbox } from './audit-outbox.ts'
import type { AuditFacts } from './audit-record.ts'
import type { AuditSink } from './sink.ts'

export interface LogWriterParts {
  readonly log: AuditLog
  /** The outbox that its rows come from; undefined: it has none. */
  readonly outbox: AuditOutbox | undefined
  readonly sinks: readonly AuditSink[]
  readonly logger: Log
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Called when the log is written again after an outage, with the facts to be recorded. */
  readonly ended: (gap: AuditFacts) => void
}

/** Lines that wait in memory while the log cannot be written; any further lines are lost and counted. */
const mostWaiting = 20_000

/**
 * Writes one log of the audit: rows of its outbox, and events without a row. While the log cannot be written,
 * rows stay in the outbox; other logs do not wait for it.
 */
export class LogWriter {
  readonly log: AuditLog
  readonly outage = new Outage()
  readonly #parts: LogWriterParts
  readonly #waiting: string[] = []
  #outboxSize: { readonly rows: number; readonly bytes: number } = { rows: 0, bytes: 0 }
  #lines = 0

  constructor(parts: LogWriterParts) {
    this.#parts = parts
    this.log = parts.log
  }

  get name(): LogName {
    return this.log.name
  }

  /** Events without a row that are not in the log yet. */
  get waiting(): number {
    return this.#waiting.length
  }

  get outboxSize(): { readonly rows: number; readonly bytes: number } {
    return this.#outboxSize
  }

  /** Lines written since the start. */
  get lines(): number {
    return this.#lines
  }

  /** Adds an event of the audit itself, which is never lost. */
  note(event: string): void {
    this.#waiting.push(event)
  }

  /**
   * Adds an event that stands for `count` accesses. False: too many events wait, so it is lost and counted.
   */
  add(event: () => string, count: number): boolean {
    if (this.#waiting.length >= mostWaiting) {
      this.outage.lose(count, this.#parts.now())
      return false
    }
    this.#waiting.push(event())
    return true
  }

  /** Writes everything that waits, if the log can be written. */
  async work(): Promise<void> {
    const { outbox, logger, now } = this.#parts
    try {
      while (await this.#write()) {
        // A page after the other.
      }
      if (outbox !== undefined) this.#outboxSize = await outbox.size()
    } catch (error) {
      const reason = reasonOf(error)
      const first = this.outage.fail(now(), reason)
      if (first) logger.error('the audit log cannot be written', { log: this.name, reason })
    }
  }

  /** Removes what retention does not keep. */
  prune(pruning: Omit<Pruning, 'written'>): Promise<void> {
    return this.log.prune({ ...pruning, written: (lines) => this.#written(lines) })
  }

  /** Writes the waiting events, then a page of rows. Returns whether there is more. */
  async #write(): Promise<boolean> {
    const now = this.#parts.now()
    const { lines, taken, more } = await this.log.write([...this.#waiting], now)
    this.#waiting.splice(0, taken)
    if (lines.length === 0) return more
    this.#written(lines)
    const gap = this.outage.end(this.#parts.now())
    if (gap === undefined) return more
    this.#parts.logger.info('the audit log is written again', { log: this.name, ...gap })
    this.#parts.ended({ log: this.name, ...gap })
    return more
  }

  #written(lines: readonly string[]): void {
    this.#lines += lines.length
    for (const sink of this.#parts.sinks) sink.written(this.name, lines)
  }
}

/** A period in which the log could not be written, and what was lost in it; recorded when it ends. */
class Outage {
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

  /** True if this failure begins the outage. */
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

  /** Ends the outage and returns its facts; undefined when there was none. */
  end(now: number): AuditFacts | undefined {
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
