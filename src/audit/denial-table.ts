import { randomBytes } from 'node:crypto'

/**
 * Counters without a key: denials recorded individually, and addresses with a line for their further denials.
 */
const counters = { all: 1, addresses: 2 } as const
export type DenialCounter = keyof typeof counters

/** Word 0 holds the seed; the entries follow the counters. */
const firstEntry = 3
const entryCount = 1 << 12
const highest = 0xffff

/**
 * Counts of the current minute, in memory that all workers share. A word holds the minute, a number and the
 * hash of its key, so that one atomic exchange replaces an entry of an earlier minute: nothing is cleared,
 * and no thread holds a lock. Two keys with the same 32-bit seeded hash share one entry.
 */
export class DenialTable {
  readonly buffer: SharedArrayBuffer
  readonly #words: BigInt64Array
  readonly #seed: number

  private constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer
    this.#words = new BigInt64Array(buffer)
    this.#seed = Number(this.#words[0])
  }

  static create(): DenialTable {
    const words = new BigInt64Array(
      new SharedArrayBuffer((firstEntry + entryCount) * BigInt64Array.BYTES_PER_ELEMENT),
    )
    words[0] = BigInt(randomBytes(4).readUInt32LE())
    return new DenialTable(words.buffer)
  }

  static attach = (buffer: SharedArrayBuffer): DenialTable => new DenialTable(buffer)

  /** Adds one unless `limit` (at most 65,535) is reached; returns whether it was added. */
  count(counter: DenialCounter, now: number, limit: number): boolean {
    return this.#exchange(counters[counter], 0, now, (number) => Math.min(number + 1, limit)) < limit
  }

  /** Returns the key's number in the minute of `now`; 0 if it has none. */
  read(key: string, now: number): number {
    const index = this.#find(this.#hash(key), minuteOf(now))
    return index === undefined ? 0 : this.#ofMinute(index, minuteOf(now))
  }

  /**
   * Replaces the key's number with `next(number)`, at most 65,535. Returns the previous number; undefined:
   * the table is full.
   */
  change(key: string, now: number, next: (number: number) => number): number | undefined {
    const hash = this.#hash(key)
    for (;;) {
      const index = this.#find(hash, minuteOf(now))
      if (index === undefined) return undefined
      const before = this.#exchange(index, hash, now, next)
      // -1: another key has taken the entry meanwhile.
      if (before >= 0) return before
    }
  }

  /** Sets the key's number, if its minute has not passed, and wakes the workers that wait for it. */
  settle(key: string, now: number, number: number): void {
    const [hash, minute] = [this.#hash(key), minuteOf(now)]
    const index = this.#find(hash, minute)
    if (index === undefined) return
    const word = Atomics.load(this.#words, index)
    const known = unpack(word)
    if (known.minute !== minute || known.hash !== hash) return
    Atomics.compareExchange(this.#words, index, word, pack({ minute, number, hash }))
    Atomics.notify(this.#words, index)
  }

  /** Resolves when the key's number is no longer `seen`, or after `limit` ms. */
  async changed(key: string, now: number, seen: number, limit: number): Promise<void> {
    const index = this.#find(this.#hash(key), minuteOf(now))
    if (index === undefined) return
    const word = Atomics.load(this.#words, index)
    if (unpack(word).number !== seen) return
    const waiting = Atomics.waitAsync(this.#words, index, word, limit)
    if (waiting.async) await waiting.value
  }

  /** The index of this hash, or a free one; undefined where the table is full. */
  #find(hash: number, minute: number): number | undefined {
    for (let step = 0; step < entryCount; step++) {
      const index = firstEntry + ((hash + step) & (entryCount - 1))
      const word = this.#load(index)
      if (word.minute !== minute || word.hash === hash) return index
    }
    return undefined
  }

  /** Returns the previous number; -1 where the word belongs to another key. */
  #exchange(index: number, hash: number, now: number, next: (number: number) => number): number {
    const minute = minuteOf(now)
    for (;;) {
      const word = Atomics.load(this.#words, index)
      const known = unpack(word)
      if (known.minute === minute && known.hash !== hash) return -1
      const before = known.minute === minute ? known.number : 0
      const after = pack({ minute, number: Math.min(next(before), highest), hash })
      if (Atomics.compareExchange(this.#words, index, word, after) === word) return before
    }
  }

  #ofMinute(index: number, minute: number): number {
    const word = this.#load(index)
    return word.minute === minute ? word.number : 0
  }

  #load(index: number): DenialWord {
    return unpack(Atomics.load(this.#words, index))
  }

  /** FNV-1a with a secret seed. */
  #hash(key: string): number {
    let hash = this.#seed
    for (let index = 0; index < key.length; index++)
      hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
    return (hash ^ (hash >>> 16)) >>> 0
  }
}

interface DenialWord {
  readonly minute: number
  readonly number: number
  readonly hash: number
}

function pack({ minute, number, hash }: DenialWord): bigint {
  return BigInt.asIntN(64, (BigInt(minute) << 48n) | (BigInt(number) << 32n) | BigInt(hash))
}

function unpack(word: bigint): DenialWord {
  const high = Number(BigInt.asUintN(32, word >> 32n))
  return { minute: high >>> 16, number: high & highest, hash: Number(BigInt.asUintN(32, word)) }
}

/** A minute within a cycle of about 45 days. Never 0, which marks a word that was never written. */
function minuteOf(now: number): number {
  return (Math.floor(now / 60_000) % highest) + 1
}
