import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../../../log.ts'
import { reasonOf } from '../../../reason-of.ts'
import {
  beginning,
  chainLine,
  isIntact,
  parseLine,
  type ChainedLine,
  type Link,
  type LogName,
} from '../../chain.ts'
import type { Retention, Segment } from '../../audit-store.ts'
import { listSegments, SegmentFolder, segmentName } from './segment-folder.ts'
import { readEnd, segmentLines } from './segment-lines.ts'
import { eventTime } from '../../event-time.ts'
import { firstLineOf } from '../../first-line.ts'

export interface SegmentLogParts {
  readonly folder: SegmentFolder
  readonly log: LogName
  readonly logger: Log
  /** A segment is sealed when it has this many bytes, or when a new day (UTC) begins. */
  readonly segmentSize?: number
}

interface Current {
  readonly name: string
  readonly handle: FileHandle
  readonly day: number
  /** Bytes of complete, flushed lines. */
  size: number
}

export const largestSegment = 64 * 1024 * 1024
const dayLength = 86_400_000

/**
 * A chain of lines in files of a folder. Only one process appends. When `append` resolves, its lines are
 * durable; when it rejects, none of them is in the log, and it may be called again. `open` cuts off a line
 * that was only partly written when the process died.
 */
export class SegmentLog {
  readonly #parts: SegmentLogParts
  readonly #segmentSize: number
  #current: Current | undefined
  #link: Link = beginning
  /** The file may hold part of the last attempt, or its folder entry may not be durable yet. */
  #dirty = false
  #sealing: Promise<void> = Promise.resolve()

  private constructor(parts: SegmentLogParts) {
    this.#parts = parts
    this.#segmentSize = parts.segmentSize ?? largestSegment
  }

  static async open(parts: SegmentLogParts): Promise<SegmentLog> {
    const log = new SegmentLog(parts)
    parts.folder.make()
    await log.#repair()
    return log
  }

  get name(): LogName {
    return this.#parts.log
  }

  get folder(): string {
    return this.#parts.folder.path
  }

  /** The last line. */
  get link(): Link {
    return this.#link
  }

  /** Continues after a line that no longer exists: its number is not reused and the gap stays visible. */
  async continueAfter(link: Link): Promise<void> {
    const current = this.#current
    this.#link = link
    this.#current = undefined
    if (current === undefined) return
    if (this.#dirty) await this.#parts.folder.truncate(current.handle, current.size)
    this.#sealSoon(current.name, current.handle)
  }

  /** Appends and flushes the events, all or none. Returns lines without newlines. `now`: ms since 1970. */
  async append(events: readonly string[], now: number): Promise<readonly string[]> {
    const { folder, log } = this.#parts
    const current = await this.#writable(now)
    if (this.#dirty) {
      await folder.truncate(current.handle, current.size)
      await folder.flushFolder()
      this.#dirty = false
    }
    let link = this.#link
    const lines = events.map((event) => {
      const next = chainLine(log, link, event)
      link = next.link
      return next.line
    })
    const bytes = Buffer.from(`${lines.join('\n')}\n`)
    this.#dirty = true
    await folder.write(current.handle, bytes, current.size)
    await folder.flush(current.handle)
    this.#dirty = false
    current.size += bytes.length
    this.#link = link
    return lines
  }

  /**
   * Deletes the oldest sealed segments that retention does not keep. Before that, `record` is called with the
   * last line to be removed and must record the removal.
   */
  async prune(retention: Retention, now: number, record: (last: Link) => Promise<void>): Promise<void> {
    await this.#sealing
    const { folder, log } = this.#parts
    const segments = await listSegments(folder.path, log)
    const sizes = await Promise.all(segments.map(({ file }) => folder.size(file)))
    let total = sizes.reduce((sum, size) => sum + size, 0)
    const going: Segment[] = []
    let last: Link | undefined
    for (const [index, segment] of segments.entries()) {
      const next = segments[index + 1]
      const after = next && (await firstLineOf(segmentLines(folder.path, next)))
      if (after === undefined || !segment.sealed || next?.first !== after.seq) break
      const old = now - eventTime(after) > retention.age
      if (!old && total <= retention.bytes) break
      total -= sizes[index] ?? 0
      going.push(segment)
      last = { seq: after.seq - 1, hash: after.prev }
    }
    if (last === undefined) return
    await record(last)
    for (const { file } of going) await folder.remove(file)
    await folder.flushFolder()
  }

  /** Yields the complete lines, newest first. */
  async *backwards(): AsyncGenerator<ChainedLine> {
    const { folder, log } = this.#parts
    for (const segment of (await listSegments(folder.path, log)).reverse()) {
      const lines: ChainedLine[] = []
      for await (const { bytes } of segmentLines(folder.path, segment)) {
        const line = parseLine(bytes)
        if (line !== undefined) lines.push({ ...line, event: Buffer.from(line.event) })
      }
      yield* lines.reverse()
    }
  }

  async close(): Promise<void> {
    await this.#sealing
    await this.#current?.handle.close()
    this.#current = undefined
  }

  async #writable(now: number): Promise<Current> {
    const day = Math.floor(now / dayLength)
    const { folder, log } = this.#parts
    const full = this.#current
    if (full !== undefined && (full.size === 0 || (full.size < this.#segmentSize && full.day >= day)))
      return full
    if (full !== undefined && this.#dirty) {
      await folder.truncate(full.handle, full.size)
      await folder.flush(full.handle)
    }
    const name = segmentName(log, this.#link.seq + 1)
    const current = { name, handle: await folder.create(name), day, size: 0 }
    this.#current = current
    this.#dirty = true
    if (full !== undefined) this.#sealSoon(full.name, full.handle)
    return current
  }

  #sealSoon(name: string, handle?: FileHandle): void {
    const { logger } = this.#parts
    this.#sealing = this.#sealing
      .then(() => handle?.close())
      .then(() => this.#seal(name))
      .catch((error: unknown) =>
        logger.warn(
          'a segment of the audit log could not be compressed; it stays as it is until the next start',
          {
            segment: name,
            reason: reasonOf(error),
          },
        ),
      )
  }

  async #seal(name: string): Promise<void> {
    const { folder } = this.#parts
    const target = await folder.compress(name)
    await folder.rename(target)
    await folder.flushFolder()
    await folder.remove(name)
  }

  /** Repairs what a dead process may have left: .tmp files, a segment twice, a cut line, an empty file. */
  async #repair(): Promise<void> {
    const { folder, log } = this.#parts
    const names = new Set(await folder.names())
    for (const name of names) {
      const finished = names.has(`${name}.gz`)
      if (name.startsWith(`${log}-`) && (folder.isUnfinished(name) || finished)) await folder.remove(name)
    }
    const segments = await listSegments(folder.path, log)
    const [last] = segments.slice(-1)
    const end = last && !last.sealed ? await readEnd(join(folder.path, last.file)) : undefined
    if (last !== undefined && end?.wholeSize === 0) {
      await folder.remove(last.file)
      return this.#repair()
    }
    for (const segment of segments) if (segment !== last && !segment.sealed) this.#sealSoon(segment.file)
    if (last === undefined) return
    if (end === undefined) {
      this.#link = await this.#lastSealed(last)
      return
    }
    const { lines, wholeSize, size } = end
    const handle = await folder.open(last.file)
    try {
      if (wholeSize < size) await folder.truncate(handle, wholeSize)
    } catch (error) {
      await handle.close()
      throw error
    }
    const first = await firstLineOf(segmentLines(folder.path, last))
    const day = Math.floor((first === undefined ? 0 : eventTime(first)) / dayLength)
    this.#current = { name: last.file, handle, day, size: wholeSize }
    this.#link = await lastLink(log, toLines(lines), last)
  }

  async #lastSealed(segment: Segment): Promise<Link> {
    const { folder, log, logger } = this.#parts
    let link: Link = { seq: segment.first - 1, hash: beginning.hash }
    try {
      for await (const next of links(log, segmentLines(folder.path, segment), segment)) link = next
    } catch (error) {
      logger.error('a sealed segment of the audit log is damaged', {
        segment: segment.file,
        reason: reasonOf(error),
      })
    }
    return link
  }
}

async function* toLines(lines: readonly Buffer[]): AsyncGenerator<{ readonly bytes: Buffer }> {
  for (const bytes of lines) yield { bytes }
}

/** The link after which the chain continues. A damaged line counts too, so that its number is not reused. */
async function lastLink(
  log: LogName,
  lines: AsyncIterable<{ readonly bytes: Buffer }>,
  segment: Segment,
): Promise<Link> {
  let last: Link = { seq: segment.first - 1, hash: beginning.hash }
  for await (const link of links(log, lines, segment)) last = link
  return last
}

async function* links(
  log: LogName,
  lines: AsyncIterable<{ readonly bytes: Buffer }>,
  segment: Segment,
): AsyncGenerator<Link> {
  let link: Link = { seq: segment.first - 1, hash: beginning.hash }
  for await (const { bytes } of lines) {
    const line = parseLine(bytes)
    const { seq, hash } =
      line !== undefined && isIntact(log, line) ? line : { seq: link.seq + 1, hash: link.hash }
    link = { seq, hash }
    yield link
  }
}
