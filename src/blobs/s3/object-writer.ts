import { OciError } from '../../oci/oci-error.ts'
import type { PartBudget } from './part-budget.ts'
import type { FinishedPart, S3Objects } from './s3-objects.ts'

const mebibyte = 1024 * 1024
/** Bytes of a part where the length is announced, and where it is not. S3 asks for 5 MiB at least. */
const smallestPart = 8 * mebibyte
const partOfUnknown = 16 * mebibyte
/** S3 takes 10,000 parts of an object. */
const mostParts = 9000
/** Parts of one object that are sent at once. */
const atOnce = 3

/** Equal parts, as some servers demand; `undefined`: the length is not known. */
export function partSizeOf(length: number | undefined): number {
  if (length === undefined) return partOfUnknown
  return Math.max(smallestPart, Math.ceil(length / mostParts / mebibyte) * mebibyte)
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
  /** Bytes that may still come; Infinity where the length is not known. */
  readonly #length: number
  readonly #parts: FinishedPart[] = []
  readonly #sending = new Set<Promise<void>>()
  #buffer: Buffer | undefined
  #filled = 0
  #size = 0
  #uploadId: string | undefined
  #fault: { readonly error: unknown } | undefined

  /** `length`: the announced length of the object in bytes. */
  constructor(objects: S3Objects, budget: PartBudget, name: string, length: number | undefined) {
    this.#objects = objects
    this.#budget = budget
    this.#name = name
    this.#length = length ?? Infinity
    this.#partSize = partSizeOf(length)
  }

  /** Bytes that were appended. */
  get size(): number {
    return this.#size
  }

  /** Copies the chunk. Undefined: the caller need not wait. */
  append(chunk: Uint8Array): Promise<void> | undefined {
    const buffer = this.#buffer
    if (buffer === undefined || this.#filled + chunk.length > buffer.length) return this.#fill(chunk)
    buffer.set(chunk, this.#filled)
    this.#filled += chunk.length
    this.#size += chunk.length
    return undefined
  }

  /** Resolves when the object is stored. */
  async finish(): Promise<void> {
    const uploadId = this.#uploadId
    if (uploadId === undefined) {
      await this.#objects.put(this.#name, this.#buffer?.subarray(0, this.#filled) ?? Buffer.alloc(0))
      this.#release()
      return
    }
    if (this.#filled > 0) await this.#sendPart()
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
      if (this.#buffer !== undefined && this.#filled === this.#buffer.length) await this.#sendPart()
      this.#buffer ??= await this.#budget.take(this.#nextSize())
      const taken = Math.min(chunk.length - at, this.#buffer.length - this.#filled)
      this.#buffer.set(chunk.subarray(at, at + taken), this.#filled)
      this.#filled += taken
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
  async #sendPart(): Promise<void> {
    this.#throwFault()
    const number = this.#parts.length + this.#sending.size + 1
    if (number > 10_000) throw tooLarge(this.#partSize * 10_000)
    const uploadId = (this.#uploadId ??= await this.#objects.begin(this.#name, 'CRC32'))
    const buffer = this.#buffer as Buffer
    const body = buffer.subarray(0, this.#filled)
    this.#buffer = undefined
    this.#filled = 0
    const sent = this.#objects
      .putPart({ name: this.#name, uploadId }, number, body)
      .then(
        (part) => void this.#parts.push(part),
        (error: unknown) => (this.#fault ??= { error }),
      )
      .then(() => {
        this.#budget.give(buffer)
        this.#sending.delete(sent)
      })
    this.#sending.add(sent)
    if (this.#sending.size >= atOnce) await Promise.race(this.#sending)
  }

  #release(): void {
    if (this.#buffer !== undefined) this.#budget.give(this.#buffer)
    this.#buffer = undefined
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
