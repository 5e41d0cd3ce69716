import type { Log } from '../log.ts'
import type { AuditHealth } from './audit-health.ts'
import type { AuditLog, AuditStore, LogParts, Retention } from './audit-store.ts'
import { eachLog, logNames, type Link, type LogName } from './chain.ts'
import { accessEvent, systemEvent } from './cloud-event.ts'
import { decodeAuditRecord, type AuditFacts } from './audit-record.ts'
import { HeadKeeper } from './head-keeper.ts'
import { openHeadSigner, signHead, type HeadStore, type HeadWitness } from './log-head.ts'
import { LogWriter } from './log-writer.ts'
import { MinuteMerger, type MergedAccess, type MergedLine } from './minute-merger.ts'
import { entryEvent, type AuditOutbox } from './audit-outbox.ts'
import { QuietTries } from './quiet-tries.ts'
import { compareWithHead } from './recovery.ts'
import type { NoteSigner } from './signed-note.ts'
import type { AuditSink } from './sink.ts'

export interface AuditWriterParts {
  /** Where the logs are kept. */
  readonly store: AuditStore
  /** The registry's name in each event: `source` is `/trow/<instance>`. */
  readonly instance: string
  /** The outbox of changes. */
  readonly outbox: AuditOutbox
  /** The outbox of denials. */
  readonly denials: AuditOutbox
  readonly heads: HeadStore
  /**
   * Keeps heads beyond the reach of anyone with access to the folder and the database; undefined: not used.
   */
  readonly witness?: HeadWitness | undefined
  readonly sinks: readonly AuditSink[]
  readonly retention: Readonly<Record<LogName, Retention>>
  readonly logger: Log
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Returns a UUID. */
  readonly newId: () => string
  /** Bytes; without it a size that suits each log's retention. */
  readonly segmentSize?: number
}

const tick = 200
const headEvery = 1000
const pruneEvery = 600_000
/** Milliseconds that the start waits for the witness. */
const witnessPatience = 2000

/**
 * The only writer of the audit logs in its process. It turns outbox rows into chained lines, writes the accesses that
 * workers have counted, and signs the heads every second. While a log cannot be written, its rows stay in the
 * outbox; the gap is recorded afterwards.
 */
export class AuditWriter {
  readonly #parts: AuditWriterParts
  readonly #source: string
  readonly #logs: Readonly<Record<LogName, LogWriter>>
  readonly #signer: NoteSigner
  readonly #keeper: HeadKeeper | undefined
  readonly #merger = new MinuteMerger()
  readonly #tries: QuietTries
  #lost = 0
  #headsAt = 0
  #prunedAt = 0
  #turning: Promise<void> | undefined
  #again = false
  #timer: NodeJS.Timeout | undefined
  #closed = false

  private constructor(
    parts: AuditWriterParts,
    opened: { readonly logs: Readonly<Record<LogName, AuditLog>>; readonly signer: NoteSigner },
    tries: QuietTries,
  ) {
    const { sinks, logger, now, witness } = parts
    const { signer, logs } = opened
    this.#parts = parts
    this.#source = sourceOf(parts)
    this.#tries = tries
    this.#logs = eachLog(
      (name) =>
        new LogWriter({
          log: logs[name],
          outbox: outboxOf(parts, name),
          sinks,
          logger,
          now,
          ended: (gap) => {
            this.#note('gap', gap)
            this.#again = true
          },
        }),
    )
    this.#signer = signer
    this.#keeper = witness && new HeadKeeper({ witness, logger, verifier: signer.verifier })
  }

  /** Repairs what a crash has left, compares the logs with their signed heads, and starts writing. */
  static async open(parts: AuditWriterParts): Promise<AuditWriter> {
    const { heads, logger, store } = parts
    const signer = await openHeadSigner(heads)
    const tries = new QuietTries(logger)
    const open = (name: LogName): Promise<AuditLog> => store.open(logParts(parts, name, signer, tries))
    const logs = {
      changes: await open('changes'),
      denials: await open('denials'),
      pulls: await open('pulls'),
    }
    const writer = new AuditWriter(parts, { logs, signer }, tries)
    for (const name of logNames) {
      const problem = await compareWithHead(logs[name], heads, signer.verifier)
      if (problem === undefined) continue
      logger.error('the audit log is not what it was: run trow audit verify', problem)
      writer.#note('gap', problem)
    }
    await writer.#keeper?.open(witnessPatience)
    await writer.#compareWithWitness()
    const last = writer.#last
    for (const sink of parts.sinks) sink.begin(last)
    writer.#note('started', last)
    await writer.#turn()
    writer.#tick()
    return writer
  }

  /** Notifies the writer that an outbox has a new row. */
  wake(): void {
    void this.#turn()
  }

  /**
   * Takes accesses that a worker has counted. They are written within a second, or when their minute ends.
   */
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

  /** Writes everything that is left, signs the heads and stops. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#turning
    this.#take(this.#merger.expire(Infinity))
    this.#headsAt = 0
    this.#again = false
    await this.#once()
    // The end of an outage may have added a record of the gap.
    if (this.#again) await this.#once()
    for (const sink of this.#parts.sinks) await sink.close()
    await this.#keeper?.close()
    for (const name of logNames) await this.#logs[name].log.close()
  }

  #tick(): void {
    this.#timer = setTimeout(() => {
      void this.#turn().finally(() => {
        if (!this.#closed) this.#tick()
      })
    }, tick)
  }

  /** One turn runs at a time. A call during a turn causes another turn after it. */
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
    for (const { auditRecord: text, again, denied, merged } of lines) {
      const auditRecord = decodeAuditRecord(text)
      if (auditRecord === undefined) continue
      const event = (): string => {
        const own = again ? { ...auditRecord, id: this.#parts.newId(), time: merged.last } : auditRecord
        return accessEvent(own, { source: this.#source, facts: undefined, row: undefined, merged })
      }
      if (!this.#logs[denied ? 'denials' : 'pulls'].add(event, merged.count)) this.#lost += merged.count
    }
  }

  #note(kind: 'started' | 'gap', data: AuditFacts): void {
    const { newId, now } = this.#parts
    this.#logs.changes.note(systemEvent({ id: newId(), time: now(), kind, data }, this.#source))
  }

  async #signHeads(now: number): Promise<void> {
    if (now - this.#headsAt < headEvery && now >= this.#headsAt) return
    for (const name of logNames) {
      const head = await this.#logs[name].log.keepHead()
      if (head !== undefined) this.#keeper?.offer(name, head)
    }
    this.#headsAt = now
  }

  async #compareWithWitness(): Promise<void> {
    const logs = logNames.map((name) => this.#logs[name].log)
    for (const facts of (await this.#keeper?.compare(this.#parts.store, logs)) ?? []) {
      this.#parts.logger.error('the audit log is not what it was: run trow audit verify', facts)
      this.#note('gap', facts)
    }
  }

  async #prune(now: number): Promise<void> {
    const time = new Date(now).toISOString()
    for (const log of logNames) {
      const record = (last: Link): string => {
        const signed = signHead(this.#signer, 'pruned', { log, ...last, time })
        const data = { log, upTo: last.seq, hash: last.hash, signed }
        return systemEvent({ id: this.#parts.newId(), time: now, kind: 'pruned', data }, this.#source)
      }
      await this.#logs[log].prune({ retention: this.#parts.retention[log], now, record })
    }
  }
}

/** The `source` of its events. */
function sourceOf({ instance }: AuditWriterParts): string {
  return `/trow/${instance}`
}

function outboxOf({ outbox, denials }: AuditWriterParts, log: LogName): AuditOutbox | undefined {
  return { changes: outbox, denials, pulls: undefined }[log]
}

function logParts(parts: AuditWriterParts, name: LogName, signer: NoteSigner, tries: QuietTries): LogParts {
  const { now, heads, logger, segmentSize } = parts
  const source = sourceOf(parts)
  return {
    name,
    outbox: outboxOf(parts, name),
    event: (row) => entryEvent(row, { log: name, source, now: now() }),
    sign: (link) => signHead(signer, 'head', { log: name, ...link, time: new Date(now()).toISOString() }),
    heads,
    retention: parts.retention[name],
    segmentSize,
    tries,
    logger,
  }
}
