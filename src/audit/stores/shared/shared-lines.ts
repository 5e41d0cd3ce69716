import { reach } from '../../audit-away.ts'
import type { AuditLines, LogCursor, RawLine, Segment } from '../../audit-store.ts'
import { parseLine, type ChainedLine, type LogName } from '../../chain.ts'
import { objectLines } from './object-lines.ts'
import { StoredLines, type SharedPlaces } from './stored-lines.ts'

const page = 200
/** Names the lines that are in no object yet. */
const rowsName = 'the database'

/** Reads the logs that the processes of a registry write together: sealed segments, and rows after them. */
export class SharedLines implements AuditLines {
  readonly #places: SharedPlaces

  constructor(places: SharedPlaces) {
    this.#places = places
  }

  /** The last one is all that is in no object: it is read to its end also while that is sealed. */
  async segments(log: LogName): Promise<readonly Segment[]> {
    // The head is read first: a segment that is closed after that is part of the last one in any case.
    const { chain } = this.#places
    const { seq, openFirst } = await reach(() => chain.head(log))
    const all = await reach(() => chain.segments(log))
    const unsealed = all.findIndex(({ object, first }) => object === undefined || first >= openFirst)
    const sealed = unsealed < 0 ? all : all.slice(0, unsealed)
    const first = unsealed < 0 ? openFirst : Math.min(all[unsealed]?.first ?? openFirst, openFirst)
    return [
      ...sealed.map((segment) => ({ log, first: segment.first, sealed: true, file: segment.object ?? '' })),
      ...(first <= seq ? [{ log, first, sealed: false, file: rowsName }] : []),
    ]
  }

  lines(segment: Segment): AsyncGenerator<RawLine> {
    return segment.sealed ? objectLines(this.#places.objects, segment.file) : this.#rest(segment)
  }

  follow(log: LogName, after: number): LogCursor {
    return new SharedCursor(new StoredLines(this.#places, log, after), after)
  }

  async last(log: LogName): Promise<number> {
    return (await reach(() => this.#places.chain.head(log))).seq
  }

  async *#rest({ log, first }: Segment): AsyncGenerator<RawLine> {
    const stored = new StoredLines(this.#places, log, first - 1)
    try {
      for (let lines = await stored.next(page); lines.length > 0; lines = await stored.next(page)) {
        for (const bytes of lines) yield { bytes, whole: true }
      }
    } finally {
      await stored.close()
    }
  }
}

class SharedCursor implements LogCursor {
  readonly #stored: StoredLines
  /** Lines that were read and are beyond what was asked for. */
  #ahead: ChainedLine[] = []
  position: number

  constructor(stored: StoredLines, after: number) {
    this.#stored = stored
    this.position = after
  }

  async next(limit: number, upTo = Infinity): Promise<readonly ChainedLine[]> {
    const found: ChainedLine[] = []
    while (found.length < limit && this.position < upTo) {
      const [line] = this.#ahead
      if (line === undefined) {
        const lines = await this.#stored.next(Math.min(limit - found.length, page))
        if (lines.length === 0) break
        this.#ahead = lines.map(parseLine).filter((parsed) => parsed !== undefined)
        continue
      }
      if (line.seq > upTo) break
      this.#ahead.shift()
      if (line.seq <= this.position) continue
      this.position = line.seq
      found.push(line)
    }
    return found
  }

  close(): Promise<void> {
    return this.#stored.close()
  }
}
