import { randomBytes } from 'node:crypto'
import type { DataKey } from '../blob-store.ts'
import type { Sink } from '../drain.ts'
import { partName } from './object-names.ts'
import { mostParts, ObjectWriter, smallestPart } from './object-writer.ts'
import { pieceOf, type PartBudget } from './part-budget.ts'
import type { UploadPart } from './parts.ts'
import type { S3Objects } from './s3-objects.ts'

/** Bytes of an object whose end is not known: then the next one begins, and S3 joins them when the upload ends. */
const mostOfUnknown = smallestPart * mostParts

/** Names an object of an upload, one that no other request names. */
export function newPartName(): string {
  return randomBytes(8).toString('hex')
}

/**
 * Writes what one request of an upload brings: one object. Where its client is so slow that others wait for the memory that
 * it fills, what has come ends the object, and the next one begins, in pieces that suit the client's pace. So a slow client
 * pays with a copy when its upload ends, and no other is held up by it.
 */
export class UploadWriter implements Sink {
  readonly #objects: S3Objects
  readonly #budget: PartBudget
  readonly #key: DataKey
  readonly #length: number
  readonly #parts: UploadPart[] = []
  #written = 0
  /** Bytes of the object that is being written, at most. */
  #room = 0
  #name: string
  #writer: ObjectWriter
  #ending: Promise<void> | undefined

  /** `name`: of the first object; `length`: the announced length of all of them in bytes. */
  constructor(
    { objects, budget }: { readonly objects: S3Objects; readonly budget: PartBudget },
    { key, name, length = Infinity }: { key: DataKey; name: string; length?: number | undefined },
  ) {
    this.#objects = objects
    this.#budget = budget
    this.#key = key
    this.#length = length
    this.#name = name
    this.#writer = this.#open(undefined)
  }

  append(chunk: Uint8Array): Promise<void> | undefined {
    const isRoom = this.#ending === undefined && this.#writer.size + chunk.length <= this.#room
    return isRoom ? this.#writer.append(chunk) : this.#appendByPieces(chunk)
  }

  /** Resolves to the objects, in order, when all are stored. */
  async finish(): Promise<readonly UploadPart[]> {
    await this.#ending
    if (this.#writer.size > 0) await this.#store()
    return this.#parts
  }

  /** Gives up: nothing stays. Never rejects: what S3 does not remove now, the collector removes. */
  async abandon(): Promise<void> {
    await this.#ending?.catch(() => undefined)
    await this.#writer.abandon()
    for (const part of this.#parts)
      await this.#objects.remove(partName(this.#key, part)).catch(() => undefined)
  }

  async #appendByPieces(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      if (this.#ending === undefined && this.#writer.size >= this.#room) this.#end(this.#writer.pace)
      await this.#ending
      const taken = Math.min(chunk.length - at, this.#room - this.#writer.size)
      await this.#writer.append(chunk.subarray(at, at + taken))
      at += taken
    }
  }

  /** Ends the object, and begins the next. */
  #end(pace: number | undefined): void {
    this.#ending = this.#store().then(() => {
      this.#name = newPartName()
      this.#writer = this.#open(pace)
      this.#ending = undefined
    })
    // Who appends or finishes next learns of a failure; until then nobody looks.
    this.#ending.catch(() => undefined)
  }

  async #store(): Promise<void> {
    const { size } = this.#writer
    await this.#writer.finish()
    this.#parts.push({ name: this.#name, used: size, stored: size })
    this.#written += size
  }

  #open(pace: number | undefined): ObjectWriter {
    const left = this.#length - this.#written
    const most = Number.isFinite(left) ? left : mostOfUnknown
    const piece = pace === undefined ? undefined : pieceOf(pace, smallestPart)
    this.#room = Math.min(most, piece ?? most)
    return new ObjectWriter(this.#objects, this.#budget, partName(this.#key, { name: this.#name }), {
      length: this.#room,
      recall: (found) => this.#end(found),
    })
  }
}
