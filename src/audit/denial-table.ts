import { randomBytes } from 'node:crypto'

/** Numbers that have no key: denials that are lines of their own, addresses with a line for the rest of theirs. */
const counters = { all: 1, addresses: 2 } as const
export type DenialCounter = keyof typeof counters

/** Word 0 is the seed; entries follow the counters. */
const firstEntry = 3
const entryCount = 1 << 12
const highest = 0xffff

/**
 * Numbers of the minute that all workers share, in memory. A word holds the minute, a number, and the hash of its key, so
 * that one exchange takes it over from a minute that has passed: nothing is cleared, and no thread holds a lock. Two keys
 * with the same 32 bits of a seeded hash count as one.
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

  /** One more, unless there are `limit` (at most 65,535) already; whether it was counted. */
  count(counter: DenialCounter, now: number, limit: number): boolean {
    return this.#exchange(counters[counter], 0, now, (number) => Math.min(number + 1, limit)) < limit
  }

  /** The number of this key in the minute of `now`; 0 where there is none. */
  read(key: string, now: number): number {
    const index = this.#find(this.#hash(key), minuteOf(now))
    return index === undefined ? 0 : this.#ofMinute(index, minuteOf(now))
  }

  /** Puts another number, 65,535 at most, in the place of this key's. Returns the one before; undefined: there is no room. */
  change(key: string, now: number, next: (number: number) => number): number | undefined {
    const hash = this.#hash(key)
    for (;;) {
      const index = this.#find(hash, minuteOf(now))
      if (index === undefined) return undefined
      const before = this.#exchange(index, hash, now, next)
      // Another key may have taken the place meanwhile.
      if (before >= 0) return before
    }
  }

  /** Puts a number in the place of this key's, if its minute has not passed yet, and wakes who waits for that. */
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

  /** Resolves when this key's number is no longer `seen`, after `limit` ms at the latest. */
  async changed(key: string, now: number, seen: number, limit: number): Promise<void> {
    const index = this.#find(this.#hash(key), minuteOf(now))
    if (index === undefined) return
    const word = Atomics.load(this.#words, index)
    if (unpack(word).number !== seen) return
    const waiting = Atomics.waitAsync(this.#words, index, word, limit)
    if (waiting.async) await waiting.value
  }

  /** Where this hash stands, or would; undefined where all places near it are taken. */
  #find(hash: number, minute: number): number | undefined {
    for (let step = 0; step < entryCount; step++) {
      const index = firstEntry + ((hash + step) & (entryCount - 1))
      const word = this.#load(index)
      if (word.minute !== minute || word.hash === hash) return index
    }
    return undefined
  }

  /** The number before; -1 where the word is another key's. */
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

  #load(index: number): Word {
    return unpack(Atomics.load(this.#words, index))
  }

  /** FNV-1a from a seed that nobody outside knows. */
  #hash(key: string): number {
    let hash = this.#seed
    for (let index = 0; index < key.length; index++)
      hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
    return (hash ^ (hash >>> 16)) >>> 0
  }
}

interface Word {
  readonly minute: number
  readonly number: number
  readonly hash: number
}

function pack({ minute, number, hash }: Word): bigint {
  return BigInt.asIntN(64, (BigInt(minute) << 48n) | (BigInt(number) << 32n) | BigInt(hash))
}

function unpack(word: bigint): Word {
  const high = Number(BigInt.asUintN(32, word >> 32n))
  return { minute: high >>> 16, number: high & highest, hash: Number(BigInt.asUintN(32, word)) }
}

/** Of some 45 days one; never 0, which is a word that nobody has written. */
function minuteOf(now: number): number {
  return (Math.floor(now / 60_000) % highest) + 1
}
