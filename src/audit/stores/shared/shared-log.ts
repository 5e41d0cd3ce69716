import { setTimeout as sleep } from 'node:timers/promises'
import type { AuditObjects } from '../../../blobs/audit-objects.ts'
import type { AuditChain, ChainLink, ChainRow, Extended, NewLines } from '../../../metadata/audit-chain.ts'
import type { QueuedAuditRecord } from '../../audit-outbox.ts'
import type { AuditLines, AuditLog, LogParts, Pruning, WrittenLines } from '../../audit-store.ts'
import { chainLine, type Link, type LogName } from '../../chain.ts'
import { SegmentSealer } from './segment-sealer.ts'

export interface SharedLogParts extends LogParts {
  readonly chain: AuditChain
  readonly objects: AuditObjects
  readonly lines: AuditLines
  readonly segmentSize: number
}

/** Rows, and events without a row, that become lines in one transaction. */
const mostRows = 500
const mostEvents = 1000
/** Milliseconds for which events wait for a process that is writing, and between two tries at most. */
const patience = 2000
const longestPause = 30
/** Milliseconds between two looks for segments that nobody seals. */
const lookEvery = 60_000

const nothing: WrittenLines = { lines: [], taken: 0, more: false }

/** Lines that a transaction was to write whose end nobody told. */
interface Unsure {
  readonly lines: readonly string[]
  readonly row: ChainRow
  readonly taken: number
}

/**
 * A log that all processes of a registry write. Whoever gets its head turns the rows that wait into lines, in
 * one transaction: a row is a line or still waits, whichever process ends at whatever moment.
 */
export class SharedLog implements AuditLog {
  readonly #parts: SharedLogParts
  readonly #sealer: SegmentSealer
  #link: Link
  #signed: string | undefined
  #unsure: Unsure | undefined
  #lookedAt = 0

  private constructor(parts: SharedLogParts, link: Link) {
    this.#parts = parts
    this.#link = link
    this.#sealer = new SegmentSealer({ ...parts, log: parts.name })
  }

  static async open(parts: SharedLogParts): Promise<SharedLog> {
    const { seq, hash } = await parts.chain.head(parts.name)
    return new SharedLog(parts, { seq, hash })
  }

  get name(): LogName {
    return this.#parts.name
  }

  get link(): Link {
    return this.#link
  }

  async current(): Promise<Link> {
    const { seq, hash } = await this.#parts.chain.head(this.name)
    this.#link = { seq, hash }
    return this.#link
  }

  async write(events: readonly string[], now: number): Promise<WrittenLines> {
    if (Math.abs(now - this.#lookedAt) >= lookEvery) {
      this.#lookedAt = now
      this.#sealer.addLeft()
    }
    const isOwn = events.length > 0 || this.#unsure !== undefined
    // Most of the time nothing waits: then no transaction is begun.
    if (!isOwn && !(await this.#parts.chain.waits(this.name))) return nothing
    // Rows are written by whoever is writing now; only this process has these events.
    const until = performance.now() + (isOwn ? patience : 0)
    for (;;) {
      const written = await this.#extend(events)
      if (written !== undefined) return written
      if (performance.now() >= until) return nothing
      await sleep(Math.random() * longestPause)
    }
  }

  async keepHead(): Promise<string | undefined> {
    // It was signed with the line that it covers, by whichever process has written that.
    const head = await this.#parts.heads.head(this.name)
    if (head === undefined || head === this.#signed) return undefined
    this.#signed = head
    await this.current()
    return head
  }

  async continueAfter(link: Link): Promise<void> {
    await this.#parts.chain.continueAfter(this.name, link)
    await this.current()
  }

  async prune({ retention, record, written }: Pruning): Promise<void> {
    const { chain, objects } = this.#parts
    const { age, bytes } = retention
    const make = (after: ChainLink, last: ChainLink): NewLines => this.#chained(after, [record(last)])
    const made = await chain.prune({ log: this.name, age, bytes, make })
    if (made !== undefined) written(made.lines)
    // Also what a process that has died was about to remove.
    for (const { first, object } of await chain.givenUp(this.name)) {
      if (object !== undefined) await objects.remove(object)
      await chain.forget(this.name, first)
    }
  }

  close(): Promise<void> {
    return this.#sealer.close()
  }

  /** Undefined: another process is writing. */
  async #extend(events: readonly string[]): Promise<WrittenLines | undefined> {
    const { chain, outbox, segmentSize, event, name } = this.#parts
    const unsure = this.#unsure
    const given = events.slice(0, mostEvents)
    let made: NewLines | undefined
    let extended: Extended
    try {
      extended = await chain.extend({
        log: name,
        limit: outbox === undefined ? 0 : mostRows,
        segmentSize,
        unsure: unsure?.row,
        make: (after, rows: readonly QueuedAuditRecord[]) =>
          (made = this.#chained(after, [...given, ...rows.map(event)])),
      })
    } catch (error) {
      if (made !== undefined) this.#unsure = unsureOf(made, given.length) ?? unsure
      throw error
    }
    if (extended.outcome === 'taken') return undefined
    this.#unsure = undefined
    if (unsure !== undefined && (await this.#isKnown(unsure, extended)))
      return { lines: unsure.lines, taken: unsure.taken, more: true }
    if (extended.outcome !== 'extended' || made === undefined) return { ...nothing, more: true }
    if (extended.closed !== undefined) this.#sealer.add(extended.closed)
    this.#link = made.last
    const more = extended.rows === mostRows || given.length < events.length
    return { lines: made.lines, taken: given.length, more }
  }

  async #isKnown({ row }: Unsure, { outcome }: Extended): Promise<boolean> {
    if (outcome !== 'sealed') return outcome === 'known'
    const cursor = this.#parts.lines.follow(this.name, row.seq - 1)
    try {
      const [line] = await cursor.next(1, row.seq)
      return line !== undefined && row.line.includes(`"hash":"${line.hash}"`)
    } finally {
      await cursor.close()
    }
  }

  #chained(after: ChainLink, events: readonly string[]): NewLines {
    const { name, sign } = this.#parts
    let last: Link = { seq: after.seq, hash: after.hash }
    const lines = events.map((event) => {
      const { line, link } = chainLine(name, last, event)
      last = link
      return line
    })
    return { lines, last, signed: lines.length === 0 ? '' : sign(last) }
  }
}

function unsureOf({ lines, last }: NewLines, taken: number): Unsure | undefined {
  const line = lines.at(-1)
  return line === undefined ? undefined : { lines, row: { seq: last.seq, line }, taken }
}
