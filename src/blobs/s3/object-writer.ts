import { OciError } from '../../oci/oci-error.ts'
import type { PartBudget, PartLoan, Recall } from './part-budget.ts'
import type { FinishedPart, S3Objects } from './s3-objects.ts'

const mebibyte = 1024 * 1024
/** Bytes of a part where the length is announced, and where it is not. S3 asks for 5 MiB at least. */
export const smallestPart = 8 * mebibyte
const partOfUnknown = 16 * mebibyte
/** S3 takes 10,000 parts of an object. */
export const mostParts = 9000
/** Parts of one object that are sent at once. */
const atOnce = 3

/** Equal parts, as some servers demand; `undefined`: the length is not known. */
function partSizeOf(length: number | undefined): number {
  if (length === undefined) return partOfUnknown
  return Math.max(smallestPart, Math.ceil(length / mostParts / mebibyte) * mebibyte)
}

export interface ObjectOptions {
  /** Bytes that will be appended at most, as far as that is known. */
  readonly length?: number | undefined
  /** Called if the bytes that wait come so slowly that others need their room; the object should end then. */
  readonly recall?: Recall
}

/**
 * Writes one object: in one request if it fits into a part, else in parts that are sent while more arrives. The object
 * exists only when `finish` has resolved.
 */
export class ObjectWriter {
  readonly #objects: S3Objects
  readonly #budget: PartBudget
  readonly #name: string
  readonly #partSize: number
  readonly #recall: Recall | undefined
  /** Bytes that may still come; Infinity where the length is not known. */
  readonly #length: number
  readonly #parts: FinishedPart[] = []
  readonly #sending = new Set<Promise<void>>()
  #loan: PartLoan | undefined
  #size = 0
  #uploadId: string | undefined
  #fault: { readonly error: unknown } | undefined

  constructor(objects: S3Objects, budget: PartBudget, name: string, { length, recall }: ObjectOptions = {}) {
    this.#objects = objects
    this.#budget = budget
    this.#name = name
    this.#length = length ?? Infinity
    this.#partSize = partSizeOf(length)
    this.#recall = recall
  }

  /** Bytes that were appended. */
  get size(): number {
    return this.#size
  }

  /** Bytes a second of those that wait; undefined where none do. */
  get pace(): number | undefined {
    return this.#loan?.pace
  }

  /** Copies the chunk. Undefined: the caller need not wait. */
  append(chunk: Uint8Array): Promise<void> | undefined {
    const loan = this.#loan
    if (loan === undefined || chunk.length > loan.room) return this.#fill(chunk)
    loan.append(chunk)
    this.#size += chunk.length
    return undefined
  }

  /** Resolves when the object is stored. */
  async finish(): Promise<void> {
    const uploadId = this.#uploadId
    const loan = this.#loan
    if (loan !== undefined) loan.isFinal = true
    if (uploadId === undefined) {
      await this.#objects.put(this.#name, loan?.bytes ?? Buffer.alloc(0))
      this.#release()
      return
    }
    if (loan !== undefined) await this.#sendPart(loan)
    await Promise.all(this.#sending)
    this.#throwFault()
    this.#parts.sort((a, b) => a.number - b.number)
    await this.#objects.complete({ name: this.#name, uploadId }, this.#parts, this.#size)
  }

  /** Gives up: nothing of the object stays. Never rejects: what S3 does not remove now, the collector removes. */
  async abandon(): Promise<void> {
    await Promise.all(this.#sending)
    this.#release()
    const uploadId = this.#uploadId
    if (uploadId === undefined) return
    await this.#objects.abort({ name: this.#name, uploadId }).catch(() => undefined)
  }

  async #fill(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      if (this.#loan?.room === 0) await this.#sendPart(this.#loan)
      const loan = (this.#loan ??= await this.#budget.take(this.#nextSize(), this.#recall))
      const taken = Math.min(chunk.length - at, loan.room)
      loan.append(chunk.subarray(at, at + taken))
      this.#size += taken
      at += taken
    }
  }

  #nextSize(): number {
    const left = this.#length - this.#size
    // More than announced is refused by the reader of the source, but may arrive here first.
    return left > 0 ? Math.min(this.#partSize, left) : this.#partSize
  }

  /** Sends the filled buffer as a part; waits while too many are being sent. */
  async #sendPart(loan: PartLoan): Promise<void> {
    loan.isFinal = true
    this.#throwFault()
    const number = this.#parts.length + this.#sending.size + 1
    if (number > 10_000) throw tooLarge(this.#partSize * 10_000)
    const uploadId = (this.#uploadId ??= await this.#objects.begin(this.#name, 'CRC32'))
    this.#loan = undefined
    const sent = this.#objects
      .putPart({ name: this.#name, uploadId }, number, loan.bytes)
      .then(
        (part) => void this.#parts.push(part),
        (error: unknown) => (this.#fault ??= { error }),
      )
      .then(() => {
        this.#budget.give(loan)
        this.#sending.delete(sent)
      })
    this.#sending.add(sent)
    if (this.#sending.size >= atOnce) await Promise.race(this.#sending)
  }

  #release(): void {
    if (this.#loan !== undefined) this.#budget.give(this.#loan)
    this.#loan = undefined
  }

  #throwFault(): void {
    if (this.#fault !== undefined) throw this.#fault.error as Error
  }
}

function tooLarge(most: number): OciError {
  return new OciError('SIZE_INVALID', 'the content is too large', {
    detail: `without an announced length at most ${Math.floor(most / 2 ** 30)} GiB are taken: send a Content-Length`,
  })
}
