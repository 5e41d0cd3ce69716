/** A chunk is valid until the next one is requested. */
export interface AnswerBody extends AsyncIterable<Uint8Array> {
  /** Ends the body. Must be called by who does not read to its end; a second call is not an error. */
  destroy(): void
}

/** Where the chunks of a body come from. */
export interface ChunkSource {
  /** The next bytes, valid until the next call; undefined: there are no more. */
  next(): Promise<Uint8Array | undefined>
  /** Called once. `isWhole`: all bytes of the body were taken, and none is used any more. */
  end(isWhole: boolean): void
}

const lastChunk = '\r\n0\r\n\r\n'

/** A body of a known length, or an error document that ends with its connection or with the last of its chunks. */
export class ConnectionBody implements AnswerBody, AsyncIterableIterator<Uint8Array> {
  readonly #source: ChunkSource
  #left: number
  #first: Uint8Array | undefined
  /** The last bytes of a body whose length is not known; before it is the end of the head. */
  #tail = '\r\n'
  #isOver = false

  constructor(length: number | undefined, first: Uint8Array, source: ChunkSource) {
    this.#left = length ?? Infinity
    this.#first = first.length === 0 ? undefined : first
    this.#source = source
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#isOver || this.#left === 0) return this.#end(true)
    let chunk: Uint8Array | undefined
    try {
      chunk = this.#first ?? (await this.#source.next())
    } catch (error) {
      this.destroy()
      throw error
    }
    this.#first = undefined
    // Destroyed while it waited.
    if (this.#isOver) return { done: true, value: undefined }
    if (chunk === undefined) {
      const isCut = this.#left !== Infinity
      this.destroy()
      if (isCut) throw new Error('the connection was closed within an answer')
      return { done: true, value: undefined }
    }
    if (chunk.length > this.#left) {
      this.destroy()
      throw new Error('the answer is longer than announced')
    }
    if (this.#left === Infinity) {
      this.#tail = (this.#tail + Buffer.from(chunk.subarray(-lastChunk.length)).toString('latin1')).slice(
        -lastChunk.length,
      )
      if (this.#tail === lastChunk) this.#left = chunk.length
    }
    this.#left -= chunk.length
    return { done: false, value: chunk }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    return this.#end(false)
  }

  /** The connection is not used again: the last chunk may still be in somebody's hands. */
  destroy(): void {
    this.#end(false)
  }

  #end(isWhole: boolean): IteratorResult<Uint8Array> {
    if (!this.#isOver) {
      this.#isOver = true
      this.#source.end(isWhole)
    }
    return { done: true, value: undefined }
  }
}
