/**
 * The content of one entry: two numbers (undefined is preserved), two strings of Latin-1 characters, and
 * bytes.
 */
export interface SharedValue {
  readonly first: number | undefined
  readonly second: number | undefined
  readonly title: string
  readonly text: string
  /** A copy that belongs to the reader. */
  readonly bytes: Uint8Array | undefined
}

/** An entry as it was read: `slot` and `generation` show whether it is still valid. */
export interface SharedEntry extends SharedValue {
  readonly slot: number
  readonly generation: number
}

/**
 * The key of an entry. `kind` distinguishes values of different kinds with the same key. `hash` must follow
 * from `key`.
 */
export interface SharedKey {
  readonly kind: number
  readonly key: string
  readonly hash: number
}

const segmentCount = 16
const ways = 4
/** An entry's place is its offset in units of 8 bytes, plus one; 0 means no entry. */
const unit = 8
const headerBytes = 48
/** Arena bytes for each place of the index. */
const bytesPerPlace = 256
const none = -1

/** Fields of an entry's header: 32-bit integers, then two doubles. */
const field = { hash: 0, slot: 1, generation: 2, kindAndKey: 3, title: 4, text: 5, bytes: 6 } as const
const firstDouble = 4
/** Fields of the cache's own header. */
const head = { lock: 0, segment: 1, used: 2, epochs: 4 } as const
const headInts = head.epochs + segmentCount

/**
 * A cache in memory that all threads share: an index of places (4 for each bucket of hashes) and an arena of
 * entries. The arena is cut into 16 segments that are filled one after another; when all are full, the oldest
 * is emptied. A thread takes a lock to store an entry; if the lock is taken it does not store its entry,
 * since this is only a cache. Reads take no lock. An entry is not changed once the index points to it, and a
 * segment's epoch is odd while the segment is being emptied: a reader that copies an entry and then finds the
 * epoch unchanged has read exactly what was stored. The cache does not know which entries are still valid:
 * see CoherentCache.
 */
export class SharedCache {
  readonly buffer: SharedArrayBuffer
  readonly #owner: number
  readonly #ints: Int32Array
  readonly #doubles: Float64Array
  readonly #bytes: Buffer
  readonly #tags: Int32Array
  readonly #places: Int32Array
  readonly #bucketMask: number
  readonly #arena: number
  readonly #segmentUnits: number

  private constructor(buffer: SharedArrayBuffer, owner: number) {
    this.buffer = buffer
    this.#owner = owner
    this.#ints = new Int32Array(buffer)
    this.#doubles = new Float64Array(buffer)
    this.#bytes = Buffer.from(buffer)
    const { places, arena, segmentUnits } = layoutOf(buffer.byteLength)
    this.#tags = new Int32Array(buffer, headInts * 4, places)
    this.#places = new Int32Array(buffer, (headInts + places) * 4, places)
    this.#bucketMask = places / ways - 1
    this.#arena = arena
    this.#segmentUnits = segmentUnits
  }

  /** At least 64 KiB. The operating system allocates memory as the cache fills. */
  static create(bytes: number): SharedCache {
    return new SharedCache(new SharedArrayBuffer(Math.max(bytes, 64 * 1024) & ~(unit - 1)), 0)
  }

  /** The same cache, for the thread with this number (from 0). */
  static attach(buffer: SharedArrayBuffer, thread: number): SharedCache {
    return new SharedCache(buffer, thread + 1)
  }

  /** Releases the lock if a thread that has died still holds it. */
  reclaim(thread: number): void {
    Atomics.compareExchange(this.#ints, head.lock, thread + 1, 0)
  }

  get({ kind, key, hash }: SharedKey): SharedEntry | undefined {
    const bucket = (hash & this.#bucketMask) * ways
    for (let way = bucket; way < bucket + ways; way++) {
      if (this.#tags[way] !== hash) continue
      const place = Atomics.load(this.#places, way)
      if (place === 0) continue
      const epoch = head.epochs + this.#segmentOf(place)
      const before = Atomics.load(this.#ints, epoch)
      // Emptying a segment removes its places from the index while its epoch is odd, so this place belongs to
      // `before`.
      if ((before & 1) !== 0 || Atomics.load(this.#places, way) !== place) continue
      const entry = this.#read(place, kind, key, hash)
      // An atomic read-modify-write, so that no earlier read is reordered after it.
      if (entry !== undefined && Atomics.or(this.#ints, epoch, 0) === before) return entry
    }
    return undefined
  }

  put({ kind, key, hash }: SharedKey, entry: SharedEntry): void {
    const { bytes, title, text } = entry
    const length =
      headerBytes + key.length + title.length + text.length + (bytes === undefined ? 0 : bytes.byteLength)
    const units = Math.ceil(length / unit)
    if (units > this.#segmentUnits / 4 || !isLatin1(key) || !isLatin1(title) || !isLatin1(text)) return
    if (Atomics.compareExchange(this.#ints, head.lock, 0, this.#owner) !== 0) return
    try {
      const place = this.#allocate(units)
      this.#write(place, { kind, key, hash }, entry)
      const way = this.#wayFor(hash)
      this.#tags[way] = hash
      Atomics.store(this.#places, way, place)
    } finally {
      Atomics.store(this.#ints, head.lock, 0)
    }
  }

  #read(place: number, kind: number, key: string, hash: number): SharedEntry | undefined {
    const start = this.#arena + (place - 1) * unit
    const ints = this.#ints
    const at = start >> 2
    if (ints[at + field.hash] !== hash || ints[at + field.kindAndKey] !== ((kind << 16) | key.length)) return
    let from = start + headerBytes
    for (let index = 0; index < key.length; index++) {
      if (this.#bytes[from + index] !== key.charCodeAt(index)) return undefined
    }
    const title = ints[at + field.title] as number
    const text = ints[at + field.text] as number
    const bytes = ints[at + field.bytes] as number
    from += key.length
    const end = from + title + text + Math.max(0, bytes)
    // If the entry is overwritten meanwhile, these lengths may be anything; the epoch shows that afterwards.
    if (title < 0 || text < 0 || end > this.#endOfSegment(place)) return undefined
    const doubles = (start >> 3) + firstDouble
    return {
      slot: ints[at + field.slot] as number,
      generation: ints[at + field.generation] as number,
      first: given(this.#doubles[doubles] as number),
      second: given(this.#doubles[doubles + 1] as number),
      title: this.#bytes.toString('latin1', from, from + title),
      text: this.#bytes.toString('latin1', from + title, from + title + text),
      bytes: bytes < 0 ? undefined : this.#copy(from + title + text, bytes),
    }
  }

  #copy(from: number, length: number): Buffer {
    const copy = Buffer.allocUnsafe(length)
    this.#bytes.copy(copy, 0, from, from + length)
    return copy
  }

  #write(place: number, { kind, key, hash }: SharedKey, entry: SharedEntry): void {
    const start = this.#arena + (place - 1) * unit
    const ints = this.#ints
    const at = start >> 2
    ints[at + field.hash] = hash
    ints[at + field.slot] = entry.slot
    ints[at + field.generation] = entry.generation
    ints[at + field.kindAndKey] = (kind << 16) | key.length
    ints[at + field.title] = entry.title.length
    ints[at + field.text] = entry.text.length
    ints[at + field.bytes] = entry.bytes === undefined ? none : entry.bytes.byteLength
    const doubles = (start >> 3) + firstDouble
    this.#doubles[doubles] = entry.first ?? Number.NaN
    this.#doubles[doubles + 1] = entry.second ?? Number.NaN
    let from = start + headerBytes
    for (const part of [key, entry.title, entry.text]) from += this.#bytes.write(part, from, 'latin1')
    if (entry.bytes !== undefined) this.#bytes.set(entry.bytes, from)
  }

  /**
   * Returns a place with this many free units, in the current segment or in the next one, which is then
   * emptied.
   */
  #allocate(units: number): number {
    const ints = this.#ints
    let segment = ints[head.segment] as number
    let used = ints[head.used] as number
    if (used + units > this.#segmentUnits) {
      segment = (segment + 1) % segmentCount
      used = 0
      this.#empty(segment)
      ints[head.segment] = segment
    }
    ints[head.used] = used + units
    return segment * this.#segmentUnits + used + 1
  }

  #empty(segment: number): void {
    // The epoch is already odd if a thread died while emptying this segment.
    Atomics.or(this.#ints, head.epochs + segment, 1)
    const first = segment * this.#segmentUnits + 1
    const last = first + this.#segmentUnits
    const places = this.#places
    for (let way = 0; way < places.length; way++) {
      const place = places[way] as number
      if (place >= first && place < last) Atomics.store(places, way, 0)
    }
    Atomics.add(this.#ints, head.epochs + segment, 1)
  }

  /** The way of the entry with the same hash, else a free way, else the way of the oldest entry. */
  #wayFor(hash: number): number {
    const bucket = (hash & this.#bucketMask) * ways
    const current = this.#ints[head.segment] as number
    let best = bucket
    let greatest = -1
    for (let way = bucket; way < bucket + ways; way++) {
      const place = this.#places[way] as number
      if (place !== 0 && this.#tags[way] === hash) return way
      const age =
        place === 0 ? segmentCount : (current - this.#segmentOf(place) + segmentCount) % segmentCount
      if (age > greatest) [best, greatest] = [way, age]
    }
    return best
  }

  #endOfSegment(place: number): number {
    return this.#arena + (this.#segmentOf(place) + 1) * this.#segmentUnits * unit
  }

  #segmentOf(place: number): number {
    return Math.floor((place - 1) / this.#segmentUnits)
  }
}

function layoutOf(bytes: number): { places: number; arena: number; segmentUnits: number } {
  const places = 2 ** Math.max(4, Math.floor(Math.log2(bytes / bytesPerPlace)))
  const arena = (headInts + places * 2) * 4
  return { places, arena, segmentUnits: Math.floor((bytes - arena) / unit / segmentCount) }
}

function given(value: number): number | undefined {
  return Number.isNaN(value) ? undefined : value
}

function isLatin1(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0xff) return false
  return true
}
