import type { AuditLog, LogParts, Pruning, WrittenLines } from '../../audit-store.ts'
import type { Link, LogName } from '../../chain.ts'
import { segmentSizeFor } from '../segment-size.ts'
import { rowsInLog } from './rows-in-log.ts'
import type { SegmentFolder } from './segment-folder.ts'
import { largestSegment, SegmentLog } from './segment-log.ts'

const page = 500

/**
 * A log in files, which one process writes. Rows are flushed into the log before they leave the outbox; a row
 * that a crash left in both is recognised by its number and id.
 */
export class FolderLog implements AuditLog {
  readonly #parts: LogParts
  readonly #log: SegmentLog
  readonly #inLog: ReadonlySet<number>
  #lastRow = 0
  /** Hash of the line whose head is kept. */
  #signed: string | undefined

  private constructor(parts: LogParts, log: SegmentLog, inLog: ReadonlySet<number>) {
    this.#parts = parts
    this.#log = log
    this.#inLog = inLog
  }

  static async open(folder: SegmentFolder, parts: LogParts): Promise<FolderLog> {
    const { name, outbox, retention, logger } = parts
    const segmentSize = parts.segmentSize ?? segmentSizeFor(retention, largestSegment)
    const log = await SegmentLog.open({ folder, log: name, logger, segmentSize })
    return new FolderLog(parts, log, outbox === undefined ? new Set() : await rowsInLog(log, outbox))
  }

  get name(): LogName {
    return this.#log.name
  }

  get link(): Link {
    return this.#log.link
  }

  current(): Promise<Link> {
    return Promise.resolve(this.#log.link)
  }

  async write(events: readonly string[], now: number): Promise<WrittenLines> {
    const { outbox, event, tries } = this.#parts
    const rows = (await outbox?.read({ after: this.#lastRow, limit: page })) ?? []
    const fresh = rows.filter(({ id }) => !this.#inLog.has(id))
    const all = [...events, ...fresh.map(event)]
    const lines = all.length === 0 ? [] : await this.#log.append(all, now)
    const last = rows.at(-1)?.id
    if (last !== undefined) {
      this.#lastRow = last
      await tries.run(`the outbox of ${this.name} cannot be emptied`, async () => outbox?.forget(last))
    }
    return { lines, taken: events.length, more: rows.length === page }
  }

  async keepHead(): Promise<string | undefined> {
    const { heads, sign } = this.#parts
    const { link } = this
    if (link.seq === 0 || this.#signed === link.hash) return undefined
    const head = sign(link)
    await heads.saveHead(this.name, head)
    this.#signed = link.hash
    return head
  }

  continueAfter(link: Link): Promise<void> {
    return this.#log.continueAfter(link)
  }

  prune({ retention, now, record, written }: Pruning): Promise<void> {
    return this.#log.prune(retention, now, async (last) => {
      written(await this.#log.append([record(last)], now))
    })
  }

  close(): Promise<void> {
    return this.#log.close()
  }
}
