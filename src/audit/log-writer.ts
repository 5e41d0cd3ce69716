import type { Log } from '../log.ts'
import { reasonOf } from '../reason-of.ts'
import type { LogName } from './chain.ts'
import { entryEvent, type NoteOutbox } from './note-outbox.ts'
import type { Facts } from './audit-note.ts'
import type { QuietTries } from './quiet-tries.ts'
import type { SegmentLog } from './segment-log.ts'
import type { AuditSink } from './sink.ts'

export interface LogWriterParts {
  readonly log: SegmentLog
  /** Where its rows come from; undefined: it has none. */
  readonly outbox: NoteOutbox | undefined
  /** Rows that are in the log already. */
  readonly inLog: ReadonlySet<number>
  /** Of its events: `/trow/<instance>`. */
  readonly source: string
  readonly sinks: readonly AuditSink[]
  readonly tries: QuietTries
  readonly say: Log
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** The log is written again after an outage: what is to be put on record. */
  readonly ended: (gap: Facts) => void
}

const page = 500
/** Lines that wait in memory while the log cannot be written; beyond, they are lost and counted. */
const mostWaiting = 20_000

/**
 * What one log of the audit is to get: rows of its outbox, and events that have no row. While it cannot be written, rows stay
 * in the outbox, and no other log waits for it.
 */
export class LogWriter {
  readonly log: SegmentLog
  readonly outage = new Outage()
  readonly #parts: LogWriterParts
  readonly #waiting: string[] = []
  #lastRow = 0
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

  /** Written since the start. */
  get lines(): number {
    return this.#lines
  }

  /** An event of the audit itself: never lost. */
  note(event: string): void {
    this.#waiting.push(event)
  }

  /** False: too many wait, it is lost. It stands for `count` accesses. */
  add(event: () => string, count: number): boolean {
    if (this.#waiting.length >= mostWaiting) {
      this.outage.lose(count, this.#parts.now())
      return false
    }
    this.#waiting.push(event())
    return true
  }

  /** All that there is, if it can be written now. */
  async work(): Promise<void> {
    const { outbox, say, now } = this.#parts
    try {
      await (outbox === undefined ? this.#flush() : this.#drain(outbox))
    } catch (error) {
      const reason = reasonOf(error)
      const first = this.outage.fail(now(), reason)
      if (first) say.error('the audit log cannot be written', { log: this.name, reason })
    }
  }

  /** All or none. Rejects where the log cannot be written. */
  async append(events: readonly string[], now: number): Promise<void> {
    const lines = await this.log.append(events, now)
    this.#lines += lines.length
    for (const sink of this.#parts.sinks) sink.written(this.name, lines)
  }

  async #drain(outbox: NoteOutbox): Promise<void> {
    const { inLog, source, tries, now } = this.#parts
    for (;;) {
      const entries = await outbox.read({ after: this.#lastRow, limit: page })
      const fresh = entries.filter(({ id }) => !inLog.has(id))
      const last = entries.at(-1)?.id
      await this.#flush(fresh.map((entry) => entryEvent(entry, { log: this.name, source, now: now() })))
      if (last === undefined) break
      this.#lastRow = last
      await tries.run(`the outbox of ${this.name} cannot be emptied`, () => outbox.forget(last))
      if (entries.length < page) break
    }
    this.#outboxSize = await outbox.size()
  }

  /** What waits without a row, then these rows: all or none. */
  async #flush(rows: readonly string[] = []): Promise<void> {
    const events = [...this.#waiting, ...rows]
    if (events.length === 0) return
    await this.append(events, this.#parts.now())
    this.#waiting.splice(0, events.length - rows.length)
    const gap = this.outage.end(this.#parts.now())
    if (gap === undefined) return
    this.#parts.say.info('the audit log is written again', { log: this.name, ...gap })
    this.#parts.ended({ log: this.name, ...gap })
  }
}

/** The time in which something could not be done, and what was lost in it; told once it is over. */
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
