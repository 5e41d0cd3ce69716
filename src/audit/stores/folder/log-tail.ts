import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '../../../error-code.ts'
import { parseLine, type ChainedLine, type LogName } from '../../chain.ts'
import type { LogCursor, RawLine, Segment } from '../../audit-store.ts'
import { listSegments } from './segment-folder.ts'
import { segmentLines } from './segment-lines.ts'

const chunk = 256 * 1024
const newline = 0x0a

interface PlainFile {
  readonly handle: FileHandle
  /** The offset after the last complete line that was read. */
  offset: number
}

/**
 * Follows a log after a given line, across segments that are sealed or created meanwhile. Skips invalid
 * lines.
 */
export class LogTail implements LogCursor {
  readonly #folder: string
  readonly #log: LogName
  #after: number
  #segment: Segment | undefined
  #sealed: AsyncGenerator<RawLine> | undefined
  #plain: PlainFile | undefined

  constructor(folder: string, log: LogName, after: number) {
    this.#folder = folder
    this.#log = log
    this.#after = after
  }

  /** The number of the last line returned. */
  get position(): number {
    return this.#after
  }

  /** Returns up to `limit` further lines, up to number `upTo`; empty when there are none at the moment. */
  async next(limit: number, upTo = Infinity): Promise<readonly ChainedLine[]> {
    const lines: ChainedLine[] = []
    while (lines.length < limit && this.#after < upTo) {
      const current = this.#segment ?? (await this.#begin())
      if (current === undefined) break
      // Listed before reading: once a later segment exists, this one gets no more lines, so reading it to its
      // end reads all of it.
      const following = (await listSegments(this.#folder, this.#log)).find(
        ({ first }) => first > current.first,
      )
      const ended = await this.#read(lines, limit, upTo)
      if (!ended || following === undefined || !(await this.#enter(following))) break
    }
    return lines
  }

  async close(): Promise<void> {
    await this.#sealed?.return(undefined)
    await this.#plain?.handle.close()
    this.#segment = this.#sealed = this.#plain = undefined
  }

  async #begin(): Promise<Segment | undefined> {
    const segments = await listSegments(this.#folder, this.#log)
    const first = segments.findLast((segment) => segment.first <= this.#after + 1) ?? segments[0]
    return first !== undefined && (await this.#enter(first)) ? first : undefined
  }

  async #enter(segment: Segment): Promise<boolean> {
    await this.close()
    if (segment.sealed) this.#sealed = segmentLines(this.#folder, segment)
    else {
      try {
        this.#plain = { handle: await open(join(this.#folder, segment.file), 'r'), offset: 0 }
      } catch (error) {
        // The segment has just been sealed or pruned: the next call lists the folder again.
        if (errorCode(error) === 'ENOENT') return false
        throw error
      }
    }
    this.#segment = segment
    return true
  }

  /** True when the end of the segment's present content is reached. */
  async #read(lines: ChainedLine[], limit: number, upTo: number): Promise<boolean> {
    if (this.#sealed !== undefined) {
      while (lines.length < limit && this.#after < upTo) {
        const { value, done } = await this.#sealed.next()
        if (done === true) return true
        this.#take(lines, value.bytes)
      }
      return false
    }
    const plain = this.#plain
    if (plain === undefined) return true
    for (let size = chunk; ;) {
      const bytes = Buffer.alloc(size)
      const { bytesRead } = await plain.handle.read(bytes, 0, size, plain.offset)
      let start = 0
      for (
        let end = bytes.indexOf(newline);
        end >= 0 && end < bytesRead;
        end = bytes.indexOf(newline, start)
      ) {
        if (lines.length >= limit || this.#after >= upTo) {
          plain.offset += start
          return false
        }
        this.#take(lines, bytes.subarray(start, end))
        start = end + 1
      }
      plain.offset += start
      if (bytesRead < size) return true
      if (start === 0) size *= 4
    }
  }

  #take(lines: ChainedLine[], bytes: Buffer): void {
    const line = parseLine(bytes)
    if (line === undefined || line.seq <= this.#after) return
    this.#after = line.seq
    lines.push(line)
  }
}
