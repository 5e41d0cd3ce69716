import type { Log } from '../log.ts'
import type { AuditHealth } from './audit-health.ts'
import { eachLog, logNames, type Link, type LogName } from './chain.ts'
import { accessEvent, systemEvent } from './cloud-event.ts'
import { decodeNote, type Facts } from './audit-note.ts'
import { HeadKeeper } from './head-keeper.ts'
import { openHeadSigner, signHead, type HeadStore, type HeadWitness } from './log-head.ts'
import { LogWriter } from './log-writer.ts'
import { MinuteMerger, type MergedAccess, type MergedLine } from './minute-merger.ts'
import type { NoteOutbox } from './note-outbox.ts'
import { QuietTries } from './quiet-tries.ts'
import { compareWithHead, rowsInLog } from './recovery.ts'
import { SegmentFolder } from './segment-folder.ts'
import { SegmentLog, segmentSizeFor, type Retention } from './segment-log.ts'
import type { NoteSigner } from './signed-note.ts'
import type { AuditSink } from './sink.ts'

export interface AuditWriterParts {
  /** The folder of the log; made where there is none. */
  readonly folder: string | SegmentFolder
  /** Names this registry in each event: `source` is `/trow/<instance>`. */
  readonly instance: string
  /** Of changes. */
  readonly outbox: NoteOutbox
  /** The outbox of denials. */
  readonly denials: NoteOutbox
  readonly heads: HeadStore
  /** Where heads are kept besides, out of reach of whoever has the folder and the database; undefined: nowhere. */
  readonly witness?: HeadWitness | undefined
  readonly sinks: readonly AuditSink[]
  readonly retention: Readonly<Record<LogName, Retention>>
  readonly say: Log
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Unique: a UUID. */
  readonly newId: () => string
  /** Bytes; else what suits each log's retention. */
  readonly segmentSize?: number
}

const beat = 200
const headEvery = 1000
const pruneEvery = 600_000
/** Milliseconds that the start waits for the witness. */
const witnessPatience = 2000

/** A log whose end was repaired, and which rows it has already. */
interface OpenedLog {
  readonly log: SegmentLog
  readonly outbox: NoteOutbox | undefined
  readonly inLog: ReadonlySet<number>
}

/**
 * The one writer of the audit: turns rows of the outboxes into chained lines, writes what workers have counted, signs the
 * heads every second. While a log cannot be written, its rows stay in the outbox; the gap is put on record afterwards.
 */
export class AuditWriter {
  readonly #parts: AuditWriterParts
  readonly #source: string
  readonly #logs: Readonly<Record<LogName, LogWriter>>
  readonly #signer: NoteSigner
  readonly #keeper: HeadKeeper | undefined
  readonly #merger = new MinuteMerger()
  readonly #tries: QuietTries
  readonly #signed: Partial<Record<LogName, Link>> = {}
  #lost = 0
  #headsAt = 0
  #prunedAt = 0
  #turning: Promise<void> | undefined
  #again = false
  #timer: NodeJS.Timeout | undefined
  #closed = false

  private constructor(
    parts: AuditWriterParts,
    opened: { readonly logs: Readonly<Record<LogName, OpenedLog>>; readonly signer: NoteSigner },
  ) {
    const { sinks, say, now, witness } = parts
    const { signer, logs } = opened
    this.#parts = parts
    const source = `/trow/${parts.instance}`
    this.#source = source
    const tries = new QuietTries(say)
    this.#tries = tries
    this.#logs = eachLog(
      (name) =>
        new LogWriter({
          ...logs[name],
          source,
          sinks,
          tries,
          say,
          now,
          ended: (gap) => {
            this.#note('gap', gap)
            this.#again = true
          },
        }),
    )
    this.#signer = signer
    this.#keeper = witness && new HeadKeeper({ witness, say, verifier: signer.verifier })
  }

  /** Repairs what a crash has left, compares with the signed heads, begins to work. */
  static async open(parts: AuditWriterParts): Promise<AuditWriter> {
    const { heads, say } = parts
    const logs = {
      changes: await openLog(parts, 'changes', parts.outbox),
      denials: await openLog(parts, 'denials', parts.denials),
      pulls: await openLog(parts, 'pulls', undefined),
    }
    const signer = await openHeadSigner(heads)
    const writer = new AuditWriter(parts, { logs, signer })
    for (const name of logNames) {
      const problem = await compareWithHead(logs[name].log, heads, signer.verifier)
      if (problem === undefined) continue
      say.error('the audit log is not what it was: run trow audit verify', problem)
      writer.#note('gap', problem)
    }
    await writer.#keeper?.open(witnessPatience)
    await writer.#compareWithWitness()
    const last = writer.#last
    for (const sink of parts.sinks) sink.begin(last)
    writer.#note('started', last)
    await writer.#turn()
    writer.#beat()
    return writer
  }

  /** Something is in an outbox. */
  wake(): void {
    void this.#turn()
  }

  /** What a worker has counted: in the log within a second, or when its minute ends. */
  merged(batch: readonly MergedAccess[]): void {
    this.#take(this.#merger.add(batch, this.#parts.now()))
    void this.#turn()
  }

  get health(): AuditHealth {
    const logs = logNames.map((name) => this.#logs[name])
    const failed = logs.find(({ outage }) => outage.since !== undefined)?.outage
    return {
      ok: failed === undefined,
      problem: failed?.reason,
      since: failed?.since,
      outbox: {
        rows: logs.reduce((sum, { outboxSize }) => sum + outboxSize.rows, 0),
        bytes: logs.reduce((sum, { outboxSize }) => sum + outboxSize.bytes, 0),
      },
      waiting: logs.reduce((sum, { waiting }) => sum + waiting, 0),
      lost: this.#lost,
      lines: eachLog((name) => this.#logs[name].lines),
      last: this.#last,
      signedAt: this.#headsAt,
      sinks: this.#parts.sinks.map((sink) => sink.health()),
    }
  }

  get #last(): Record<LogName, number> {
    return eachLog((name) => this.#logs[name].log.link.seq)
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
    for (const name of logNames) await this.#logs[name].log.close()
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
    await this.#tries.run('the heads kept elsewhere cannot be compared', () => this.#compareWithWitness())
    for (const name of logNames) await this.#logs[name].work()
    await this.#tries.run('heads cannot be kept', () => this.#signHeads(now))
    if (now - this.#prunedAt >= pruneEvery || now < this.#prunedAt) {
      this.#prunedAt = now
      await this.#tries.run('old segments cannot be removed', () => this.#prune(now))
    }
  }

  #take(lines: readonly MergedLine[]): void {
    for (const { note: text, again, denied, merged } of lines) {
      const note = decodeNote(text)
      if (note === undefined) continue
      const event = (): string => {
        const own = again ? { ...note, id: this.#parts.newId(), time: merged.last } : note
        return accessEvent(own, { source: this.#source, facts: undefined, row: undefined, merged })
      }
      if (!this.#logs[denied ? 'denials' : 'pulls'].add(event, merged.count)) this.#lost += merged.count
    }
  }

  #note(kind: 'started' | 'gap', data: Facts): void {
    const { newId, now } = this.#parts
    this.#logs.changes.note(systemEvent({ id: newId(), time: now(), kind, data }, this.#source))
  }

  async #signHeads(now: number): Promise<void> {
    if (now - this.#headsAt < headEvery && now >= this.#headsAt) return
    for (const log of logNames) {
      const { link } = this.#logs[log].log
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
    for (const facts of (await this.#keeper?.compare(logNames.map((name) => this.#logs[name].log))) ?? []) {
      this.#parts.say.error('the audit log is not what it was: run trow audit verify', facts)
      this.#note('gap', facts)
    }
  }

  async #prune(now: number): Promise<void> {
    for (const log of logNames) {
      const writer = this.#logs[log]
      await writer.log.prune(this.#parts.retention[log], now, async (last) => {
        const time = new Date(now).toISOString()
        const signed = signHead(this.#signer, 'pruned', { log, ...last, time })
        const data = { log, upTo: last.seq, hash: last.hash, signed }
        const event = { id: this.#parts.newId(), time: now, kind: 'pruned', data } as const
        await writer.append([systemEvent(event, this.#source)], now)
      })
    }
  }
}

async function openLog(
  parts: AuditWriterParts,
  log: LogName,
  outbox: NoteOutbox | undefined,
): Promise<OpenedLog> {
  const folder = typeof parts.folder === 'string' ? new SegmentFolder(parts.folder) : parts.folder
  const segmentSize = parts.segmentSize ?? segmentSizeFor(parts.retention[log])
  const opened = await SegmentLog.open({ folder, log, say: parts.say, segmentSize })
  const inLog = outbox === undefined ? new Set<number>() : await rowsInLog(opened, outbox)
  return { log: opened, outbox, inLog }
}
