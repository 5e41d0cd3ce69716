import { createHash } from 'node:crypto'
import type { AuditObjects } from '../../../blobs/audit-objects.ts'
import type { AuditChain, ChainSegment } from '../../../metadata/audit-chain.ts'
import type { Log } from '../../../log.ts'
import { reasonOf } from '../../../reason-of.ts'
import type { LogName } from '../../chain.ts'
import { compressLines } from './object-lines.ts'

export interface SealerParts {
  readonly log: LogName
  readonly chain: AuditChain
  readonly objects: AuditObjects
  readonly logger: Log
}

const page = 500

/**
 * Brings the closed segments of a log into objects, one after another, in the background. Any process may do
 * each step again: the lines decide the object's name, and the rows go only after it is stored.
 */
export class SegmentSealer {
  readonly #parts: SealerParts
  #sealing: Promise<void> = Promise.resolve()
  #isFailing = false

  constructor(parts: SealerParts) {
    this.#parts = parts
  }

  /** Seals a segment that this process has closed. */
  add(segment: ChainSegment): void {
    this.#soon(() => this.#seal(segment))
  }

  /** Seals what other processes have closed and not sealed. */
  addLeft(): void {
    const { chain, log } = this.#parts
    this.#soon(async () => {
      for (let left = await chain.claim(log); left !== undefined; left = await chain.claim(log))
        await this.#seal(left)
    })
  }

  /** Resolves when nothing is being sealed. What was not sealed is sealed later, by whoever is there. */
  async close(): Promise<void> {
    await this.#sealing
  }

  #soon(work: () => Promise<void>): void {
    this.#sealing = this.#sealing.then(work).then(
      () => void (this.#isFailing = false),
      (error: unknown) => {
        const { logger, log } = this.#parts
        if (!this.#isFailing)
          logger.warn(
            'a segment of the audit log cannot be stored in the bucket; it stays in the database until that succeeds',
            { log, reason: reasonOf(error) },
          )
        this.#isFailing = true
      },
    )
  }

  async #seal(segment: ChainSegment): Promise<void> {
    const { chain, objects, log } = this.#parts
    const { first } = segment
    const hash = createHash('sha256')
    const bytes = await compressLines(this.#linesOf(segment, (line) => hash.update(line)))
    const object = objects.name({ log, first, digest: hash.digest('hex') })
    await objects.put(object, bytes)
    await chain.seal(log, { first, object, size: bytes.length })
  }

  async *#linesOf({ first, last }: ChainSegment, see: (bytes: Buffer) => void): AsyncGenerator<Buffer> {
    const { chain, log } = this.#parts
    for (let after = first - 1; after < last;) {
      const rows = await chain.rows(log, { after, limit: Math.min(page, last - after) })
      for (const { seq, line } of rows) {
        after = seq
        if (seq > last) return
        const bytes = Buffer.from(`${line}\n`)
        see(bytes)
        yield bytes
      }
      if (rows.length === 0) return
    }
  }
}
