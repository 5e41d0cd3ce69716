import type { MergedAccess } from './access-merger.ts'
import type { AuditHealth } from './audit-health.ts'
import { logNames, type Link, type LogName } from './chain.ts'
import type { AuditWriterParts } from './audit-writer-parts.ts'
import { accessEvent, systemEvent } from './cloud-event.ts'
import { entryEvent } from './entry-event.ts'
import type { Facts } from './event.ts'
import { HeadKeeper } from './head-keeper.ts'
import { openHeadSigner, signHead } from './log-head.ts'
import { MinuteMerger, type MergedLine } from './minute-merger.ts'
import { decodeNote } from './note-text.ts'
import { Outage } from './outage.ts'
import { compareWithHead, rowsInLog } from './recovery.ts'
import { SegmentFolder } from './segment-folder.ts'
import { SegmentLog } from './segment-log.ts'
import type { NoteSigner } from './signed-note.ts'

const beat = 200
const headEvery = 1000
const pruneEvery = 600_000
const page = 500
/** Milliseconds that the start waits for the witness. */
const witnessPatience = 2000
/** Lines that wait in memory while the log cannot be written; beyond, they are lost and counted. */
const mostWaiting = 20_000

/**
 * The one writer of the audit log: turns rows of the outbox into chained lines, writes what workers have counted, signs the
 * head every second. While a log cannot be written, rows stay in the outbox; the gap is put on record afterwards.
 */
export class AuditWriter {
  readonly #parts: AuditWriterParts
  readonly #source: string
  readonly #logs: Readonly<Record<LogName, SegmentLog>>
  readonly #signer: NoteSigner
  readonly #keeper: HeadKeeper | undefined
  readonly #inLog: ReadonlySet<number>
  readonly #merger = new MinuteMerger()
  /** Events that have no row: of each log, those that wait. */
  readonly #waiting: Record<LogName, string[]> = { changes: [], pulls: [] }
  readonly #outages: Record<LogName, Outage> = { changes: new Outage(), pulls: new Outage() }
  readonly #signed: Partial<Record<LogName, Link>> = {}
  readonly #counts = { lines: { changes: 0, pulls: 0 }, lost: 0 }
  readonly #failing = new Set<string>()
  #lastRow = 0
  #outboxSize: { readonly rows: number; readonly bytes: number } = { rows: 0, bytes: 0 }
  #headsAt = 0
  #prunedAt = 0
  #turning: Promise<void> | undefined
  #again = false
  #timer: NodeJS.Timeout | undefined
  #closed = false

  private constructor(
    parts: AuditWriterParts,
    opened: {
      readonly logs: Readonly<Record<LogName, SegmentLog>>
      readonly signer: NoteSigner
      readonly inLog: ReadonlySet<number>
    },
  ) {
    this.#parts = parts
    this.#source = `/trow/${parts.instance}`
    this.#logs = opened.logs
    this.#signer = opened.signer
    const { witness, say } = parts
    this.#keeper = witness && new HeadKeeper({ witness, say, verifier: opened.signer.verifier })
    this.#inLog = opened.inLog
  }

  /** Repairs what a crash has left, compares with the signed heads, begins to work. */
  static async open(parts: AuditWriterParts): Promise<AuditWriter> {
    const { heads, outbox, say, segmentSize } = parts
    const folder = typeof parts.folder === 'string' ? new SegmentFolder(parts.folder) : parts.folder
    const openOne = (log: LogName): Promise<SegmentLog> =>
      SegmentLog.open({ folder, log, say, ...(segmentSize !== undefined && { segmentSize }) })
    const logs = { changes: await openOne('changes'), pulls: await openOne('pulls') }
    const signer = await openHeadSigner(heads)
    const inLog = await rowsInLog(logs.changes, outbox)
    const writer = new AuditWriter(parts, { logs, signer, inLog })
    for (const log of logNames) {
      const problem = await compareWithHead(logs[log], heads, signer.verifier)
      if (problem === undefined) continue
      say.error('the audit log is not what it was: run trow audit verify', problem)
      writer.#note('gap', problem)
    }
    await writer.#keeper?.open(witnessPatience)
    await writer.#compareWithWitness()
    const last = { changes: logs.changes.link.seq, pulls: logs.pulls.link.seq }
    for (const sink of parts.sinks) sink.begin(last)
    writer.#note('started', last)
    await writer.#turn()
    writer.#beat()
    return writer
  }

  /** Something is in the outbox. */
  wake(): void {
    void this.#turn()
  }

  /** What a worker has counted: in the log within a second, or when its minute ends. */
  merged(batch: readonly MergedAccess[]): void {
    this.#take(this.#merger.add(batch, this.#parts.now()))
    void this.#turn()
  }

  get health(): AuditHealth {
    const { changes, pulls } = this.#outages
    const failed = [changes, pulls].find(({ since }) => since !== undefined)
    return {
      ok: failed === undefined,
      problem: failed?.reason,
      since: failed?.since,
      outbox: this.#outboxSize,
      waiting: this.#waiting.changes.length + this.#waiting.pulls.length,
      lost: this.#counts.lost,
      lines: { ...this.#counts.lines },
      last: { changes: this.#logs.changes.link.seq, pulls: this.#logs.pulls.link.seq },
      signedAt: this.#headsAt,
      sinks: this.#parts.sinks.map((sink) => sink.health()),
    }
  }

  /** Writes all that there is, signs the heads, ends. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#turning
    this.#take(this.#merger.expire(Infinity))
    this.#headsAt = 0
    this.#again = false
    await this.#once()
    // The end of an outage may have left its record.
    if (this.#again) await this.#once()
    for (const sink of this.#parts.sinks) await sink.close()
    await this.#keeper?.close()
    for (const log of logNames) await this.#logs[log].close()
  }

  #beat(): void {
    this.#timer = setTimeout(() => {
      void this.#turn().finally(() => {
        if (!this.#closed) this.#beat()
      })
    }, beat)
  }

  /** One at a time; who asks meanwhile gets another one after it. */
  #turn(): Promise<void> {
    if (this.#closed) return this.#turning ?? Promise.resolve()
    this.#again = true
    this.#turning ??= (async () => {
      while (this.#again) {
        this.#again = false
        await this.#once()
      }
      this.#turning = undefined
    })()
    return this.#turning
  }

  async #once(): Promise<void> {
    const now = this.#parts.now()
    this.#take(this.#merger.expire(now))
    await this.#quietly('the heads kept elsewhere cannot be compared', () => this.#compareWithWitness())
    await this.#guard('changes', () => this.#drain())
    await this.#guard('pulls', () => this.#flush('pulls'))
    await this.#quietly('heads cannot be kept', () => this.#signHeads(now))
    if (now - this.#prunedAt >= pruneEvery || now < this.#prunedAt) {
      this.#prunedAt = now
      await this.#quietly('old segments cannot be removed', () => this.#prune(now))
    }
  }

  async #drain(): Promise<void> {
    const { outbox, now } = this.#parts
    for (;;) {
      const entries = await outbox.read({ after: this.#lastRow, limit: page })
      const fresh = entries.filter(({ id }) => !this.#inLog.has(id))
      const last = entries.at(-1)?.id
      await this.#flush(
        'changes',
        fresh.map((entry) => entryEvent(entry, this.#source, now())),
      )
      if (last === undefined) break
      this.#lastRow = last
      await this.#quietly('the outbox cannot be emptied', () => outbox.forget(last))
      if (entries.length < page) break
    }
    this.#outboxSize = await outbox.size()
  }

  /** What waits without a row, then these rows: all or none. */
  async #flush(name: LogName, rows: readonly string[] = []): Promise<void> {
    const waiting = this.#waiting[name]
    const events = [...waiting, ...rows]
    if (events.length === 0) return
    const now = this.#parts.now()
    await this.#append(name, events, now)
    waiting.splice(0, events.length - rows.length)
    const gap = this.#outages[name].end(this.#parts.now())
    if (gap === undefined) return
    this.#parts.say.info('the audit log is written again', { log: name, ...gap })
    this.#note('gap', { log: name, ...gap })
    this.#again = true
  }

  async #append(name: LogName, events: readonly string[], now: number): Promise<void> {
    const lines = await this.#logs[name].append(events, now)
    this.#counts.lines[name] += lines.length
    for (const sink of this.#parts.sinks) sink.written(name, lines)
  }

  async #guard(name: LogName, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      const reason = (error as Error).message
      const first = this.#outages[name].fail(this.#parts.now(), reason)
      if (first) this.#parts.say.error('the audit log cannot be written', { log: name, reason })
    }
  }

  /** What may fail without harm and is tried again: said once until it succeeds. */
  async #quietly(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
      this.#failing.delete(what)
    } catch (error) {
      if (!this.#failing.has(what)) this.#parts.say.warn(what, { reason: (error as Error).message })
      this.#failing.add(what)
    }
  }

  #take(lines: readonly MergedLine[]): void {
    for (const { note: text, again, denied, merged } of lines) {
      const note = decodeNote(text)
      if (note === undefined) continue
      const name = denied ? 'changes' : 'pulls'
      if (this.#waiting[name].length >= mostWaiting) {
        this.#counts.lost += merged.count
        this.#outages[name].lose(merged.count, this.#parts.now())
        continue
      }
      const own = again ? { ...note, id: this.#parts.newId(), time: merged.last } : note
      this.#waiting[name].push(
        accessEvent(own, { source: this.#source, facts: undefined, row: undefined, merged }),
      )
    }
  }

  #note(kind: 'started' | 'gap', data: Facts): void {
    const { newId, now } = this.#parts
    this.#waiting.changes.push(systemEvent({ id: newId(), time: now(), kind, data }, this.#source))
  }

  async #signHeads(now: number): Promise<void> {
    if (now - this.#headsAt < headEvery && now >= this.#headsAt) return
    for (const log of logNames) {
      const { link } = this.#logs[log]
      if (link.seq === 0 || this.#signed[log]?.hash === link.hash) continue
      const time = new Date(now).toISOString()
      const head = signHead(this.#signer, 'head', { log, ...link, time })
      await this.#parts.heads.saveHead(log, head)
      this.#keeper?.offer(log, head)
      this.#signed[log] = link
    }
    this.#headsAt = now
  }

  async #compareWithWitness(): Promise<void> {
    for (const facts of (await this.#keeper?.compare(Object.values(this.#logs))) ?? []) {
      this.#parts.say.error('the audit log is not what it was: run trow audit verify', facts)
      this.#note('gap', facts)
    }
  }

  async #prune(now: number): Promise<void> {
    for (const log of logNames) {
      await this.#logs[log].prune(this.#parts.retention[log], now, async (last) => {
        const time = new Date(now).toISOString()
        const signed = signHead(this.#signer, 'pruned', { log, ...last, time })
        const data = { log, upTo: last.seq, hash: last.hash, signed }
        const event = { id: this.#parts.newId(), time: now, kind: 'pruned', data } as const
        await this.#append(log, [systemEvent(event, this.#source)], now)
      })
    }
  }
}
