import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '../error-code.ts'
import { parseLine, type ChainedLine, type LogName } from './chain.ts'
import { listSegments, type Segment } from './segment-folder.ts'
import { segmentLines, type RawLine } from './segment-lines.ts'

const chunk = 256 * 1024
const newline = 0x0a

interface PlainFile {
  readonly handle: FileHandle
  /** After the last whole line that was taken. */
  offset: number
}

/** Follows a log from a line on, through segments that are sealed and begun meanwhile. Passes over what is no line. */
export class LogTail {
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

  /** The number of the last line that was given. */
  get position(): number {
    return this.#after
  }

  /** Up to `limit` lines after those given before, none after `upTo`; empty when there are no more now. */
  async next(limit: number, upTo = Infinity): Promise<readonly ChainedLine[]> {
    const lines: ChainedLine[] = []
    while (lines.length < limit && this.#after < upTo) {
      const current = this.#segment ?? (await this.#begin())
      if (current === undefined) break
      // Looked for first: once a segment follows, this one gets no more, so that reading to its end reads all of it.
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
        // Sealed or pruned in this moment: the next look finds what is there.
        if (errorCode(error) === 'ENOENT') return false
        throw error
      }
    }
    this.#segment = segment
    return true
  }

  /** True at the end of what there is. */
  async #read(lines: ChainedLine[], limit: number, upTo: number): Promise<boolean> {
    if (this.#sealed !== undefined) {
      while (lines.length < limit && this.#after < upTo) {
        const { value, done } = await this.#sealed.next()
        if (done === true) return true
        this.#take(lines, value.bytes)
      }
      return false
    }
    const plain = this.#plain as PlainFile
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
