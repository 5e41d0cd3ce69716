import type { AuditObjects } from '../../../blobs/audit-objects.ts'
import type { AuditChainReads, ChainRow, ChainSegment } from '../../../metadata/audit-chain.ts'
import { reach } from '../../audit-away.ts'
import type { RawLine } from '../../audit-store.ts'
import type { LogName } from '../../chain.ts'
import { objectLines } from './object-lines.ts'

/** Where the lines of the shared logs are. */
export interface SharedPlaces {
  readonly chain: AuditChainReads
  readonly objects: Pick<AuditObjects, 'open'>
}

interface OpenObject {
  readonly lines: AsyncGenerator<RawLine>
  readonly segment: ChainSegment
}

const page = 200

/**
 * Reads the lines of a log after a given number as they are stored, damaged ones too: rows, and objects
 * where rows have gone, also while they go. A number that has neither a row nor an object is passed over.
 */
export class StoredLines {
  readonly #places: SharedPlaces
  readonly #log: LogName
  /** The number of the line before the next one, by its place. */
  #at: number
  #object: OpenObject | undefined

  constructor(places: SharedPlaces, log: LogName, after: number) {
    this.#places = places
    this.#log = log
    this.#at = after
  }

  /** Returns up to `limit` further lines; none when there are none at the moment. */
  async next(limit: number): Promise<readonly Buffer[]> {
    const { chain } = this.#places
    for (;;) {
      if (this.#object !== undefined) {
        const lines = await this.#ofObject(this.#object, limit)
        if (lines.length > 0) return lines
        continue
      }
      const rows = await reach(() => chain.rows(this.#log, { after: this.#at, limit: Math.min(limit, page) }))
      const first = rows[0]?.seq
      if (first !== this.#at + 1) {
        // Rows that are not there were sealed, maybe since the last look.
        const segment = await reach(() => chain.objectAfter(this.#log, this.#at))
        if (segment !== undefined && segment.first < (first ?? Infinity)) {
          await this.#enter(segment)
          continue
        }
      }
      return this.#ofRows(rows)
    }
  }

  async close(): Promise<void> {
    await this.#object?.lines.return(undefined)
    this.#object = undefined
  }

  /** The rows up to the first gap: what is in the gap may be in an object. */
  #ofRows(rows: readonly ChainRow[]): readonly Buffer[] {
    const lines: Buffer[] = []
    for (const { seq, line } of rows) {
      if (lines.length > 0 && seq !== this.#at + 1) break
      this.#at = seq
      lines.push(Buffer.from(line))
    }
    return lines
  }

  async #enter(segment: ChainSegment): Promise<void> {
    const lines = objectLines(this.#places.objects, segment.object ?? '')
    // Lines that were read while they were rows.
    for (let known = this.#at + 1 - segment.first; known > 0; known--) await lines.next()
    this.#at = Math.max(this.#at, segment.first - 1)
    this.#object = { lines, segment }
  }

  async #ofObject({ lines, segment }: OpenObject, limit: number): Promise<readonly Buffer[]> {
    const found: Buffer[] = []
    while (found.length < limit) {
      const { value, done } = await lines.next()
      if (done === true) {
        this.#at = segment.last
        this.#object = undefined
        break
      }
      found.push(Buffer.from(value.bytes))
      this.#at++
    }
    return found
  }
}
