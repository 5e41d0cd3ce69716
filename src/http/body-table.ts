import {
  field,
  fieldCount,
  header,
  headerSize,
  ownerCount,
  perThread,
  perThreadSize,
  state,
} from './body-layout.ts'

/** Bytes. */
export interface BudgetSize {
  /** Of all bodies together, `reserve` included. */
  readonly bytes: number
  /** The largest body: kept for the oldest body that waits. At most half of `bytes` is kept. */
  readonly reserve: number
  /** Of one owner. An owner without other bodies may exceed it with a single body. */
  readonly share: number
  readonly threads: number
  /** Most open bodies of each thread. */
  readonly slots: number
  /** Random seed of the owners' hash, so that a client cannot choose whose counter it shares. */
  readonly seed: number
}

/** The open bodies of all threads: counters in shared memory, without messages. */
export class BodyTable {
  readonly buffer: SharedArrayBuffer
  readonly #words: Int32Array
  readonly #thread: number
  readonly #slots: number
  readonly #threads: number
  readonly #owners: number
  readonly #bodies: number
  /** Slots of this thread; the lowest are taken first. */
  readonly #free: number[]
  #openCount = 0

  private constructor(buffer: SharedArrayBuffer, thread: number) {
    this.buffer = buffer
    this.#words = new Int32Array(buffer)
    this.#thread = thread
    this.#slots = this.#words[header.slots] ?? 0
    this.#threads = this.#words[header.threads] ?? 0
    this.#owners = headerSize + this.#threads * perThreadSize
    this.#bodies = this.#owners + ownerCount
    const last = (thread + 1) * this.#slots - 1
    this.#free = Array.from({ length: this.#slots }, (_, index) => last - index)
  }

  static create({ bytes, reserve, share, threads, slots, seed }: BudgetSize): BodyTable {
    const length = headerSize + threads * perThreadSize + ownerCount + threads * slots * fieldCount
    const words = new Int32Array(new SharedArrayBuffer(length * Int32Array.BYTES_PER_ELEMENT))
    const open = Math.max(bytes - reserve, Math.floor(bytes / 2))
    words[header.free] = open
    words[header.total] = open
    words[header.slots] = slots
    words[header.share] = share
    words[header.threads] = threads
    words[header.seed] = seed
    return new BodyTable(words.buffer, 0)
  }

  static attach = (buffer: SharedArrayBuffer, thread: number): BodyTable => new BodyTable(buffer, thread)

  get held(): number {
    return this.#load(header.total) - this.#load(header.free)
  }

  get seed(): number {
    return this.#load(header.seed)
  }

  get changes(): number {
    return this.#load(header.changes)
  }

  /** Resolves when a body was released since `changes` was `seen`, or after `limit` ms. */
  changed(seen: number, limit: number): Promise<void> {
    return this.#moved(header.changes, seen, limit)
  }

  get orders(): number {
    return this.#load(this.#threadWord(this.#thread, perThread.orders))
  }

  /** Resolves when a body of this thread was told to end since `orders` was `seen`, or after `limit` ms. */
  ordered(seen: number, limit: number): Promise<void> {
    return this.#moved(this.#threadWord(this.#thread, perThread.orders), seen, limit)
  }

  /** Whether the owner's share has room for these bytes. */
  fits(owner: number, bytes: number): boolean {
    const counted = this.#load(this.#ownerWord(owner))
    return counted === 0 || counted + bytes <= this.#load(header.share)
  }

  /** A slot for a body. Undefined: the owner's share or this thread has no room. */
  claim(
    owner: number,
    { expected, counted }: { readonly expected: number; readonly counted: number },
  ): number | undefined {
    const slot = this.#free.at(-1)
    if (slot === undefined || !this.#count(owner, counted)) return undefined
    this.#free.pop()
    this.#openCount++
    const first = this.#slotWord(slot)
    const words = this.#words
    words.fill(0, first, first + fieldCount)
    words[first + field.sequence] = Atomics.add(words, header.sequence, 1)
    words[first + field.owner] = owner
    words[first + field.counted] = counted
    words[first + field.expected] = expected
    Atomics.store(words, first + field.state, state.open)
    const top = this.#threadWord(this.#thread, perThread.top)
    const index = slot - this.#thread * this.#slots
    if (index >= this.#load(top)) Atomics.store(words, top, index + 1)
    return slot
  }

  /** Counts received bytes, with `ofOwner` also in the owner's share. False: no room, nothing is counted. */
  take(slot: number, bytes: number, ofOwner: boolean): boolean {
    const first = this.#slotWord(slot)
    if (ofOwner && !this.#count(this.ownerOf(slot), bytes)) return false
    for (;;) {
      const free = this.#load(header.free)
      if (free < bytes && this.#load(header.reserved) !== slot + 1) {
        if (ofOwner) Atomics.sub(this.#words, this.#ownerWord(this.ownerOf(slot)), bytes)
        return false
      }
      if (Atomics.compareExchange(this.#words, header.free, free, free - bytes) === free) break
    }
    Atomics.add(this.#words, first + field.held, bytes)
    if (ofOwner) Atomics.add(this.#words, first + field.counted, bytes)
    return true
  }

  awaitClient(slot: number): void {
    Atomics.store(this.#words, this.#slotWord(slot) + field.since, now() || 1)
  }

  heard(slot: number, bytes: number): void {
    const first = this.#slotWord(slot)
    const since = Atomics.exchange(this.#words, first + field.since, 0)
    Atomics.add(this.#words, first + field.waited, Math.max((now() - since) | 0, 0))
    Atomics.add(this.#words, first + field.received, bytes)
  }

  wants(slot: number, room: boolean): void {
    Atomics.store(this.#words, this.#slotWord(slot) + field.wants, room ? 1 : 0)
  }

  ownerOf(slot: number): number {
    return this.#load(this.#slotWord(slot) + field.owner)
  }

  isEnded(slot: number): boolean {
    return this.#load(this.#slotWord(slot) + field.state) === state.ended
  }

  /** Gives the reserve to the slot if it is the oldest that wants room. True: the slot has the reserve. */
  takeReserve(slot: number): boolean {
    const taken = this.#load(header.reserved)
    if (taken !== 0) return taken === slot + 1
    const own = this.#load(this.#slotWord(slot) + field.sequence)
    for (const first of this.#each()) {
      const age = (this.#load(first + field.sequence) - own) | 0
      if (age < 0 && this.#load(first + field.wants) === 1) return false
    }
    return Atomics.compareExchange(this.#words, header.reserved, 0, slot + 1) === 0
  }

  /**
   * Ends the body that would take longest to arrive at its client's pace so far; one at a time. Only bodies
   * of `owner` (undefined: of all) that have waited for their client for `patience` ms. False: there is none.
   */
  endSlowest(owner: number | undefined, patience: number): boolean {
    let slowest: number | undefined
    let longest = -1
    for (const first of this.#each()) {
      if (owner !== undefined && this.#load(first + field.owner) !== owner) continue
      if (this.#load(first + field.state) === state.ended) return true
      const since = this.#load(first + field.since)
      if (since === 0) continue
      const waited = this.#load(first + field.waited) + Math.max((now() - since) | 0, 0)
      if (waited < patience) continue
      const received = this.#load(first + field.received)
      const left = Math.max(this.#load(first + field.expected) - received, 1)
      const time = (left * waited) / Math.max(received, 1)
      if (time <= longest) continue
      longest = time
      slowest = first
    }
    if (slowest === undefined) return false
    const word = slowest + field.state
    if (Atomics.compareExchange(this.#words, word, state.open, state.ended) !== state.open) return true
    const thread = Math.floor((slowest - this.#bodies) / fieldCount / this.#slots)
    const orders = this.#threadWord(thread, perThread.orders)
    Atomics.add(this.#words, orders, 1)
    Atomics.notify(this.#words, orders)
    return true
  }

  release(slot: number): void {
    this.#giveBack(slot)
    this.#free.push(slot)
    if (--this.#openCount === 0) Atomics.store(this.#words, this.#threadWord(this.#thread, perThread.top), 0)
    this.#tellOfChange()
  }

  reclaim(thread: number): void {
    for (let slot = thread * this.#slots; slot < (thread + 1) * this.#slots; slot++)
      if (this.#load(this.#slotWord(slot) + field.state) !== state.free) this.#giveBack(slot)
    Atomics.store(this.#words, this.#threadWord(thread, perThread.top), 0)
    this.#tellOfChange()
  }

  #giveBack(slot: number): void {
    const first = this.#slotWord(slot)
    Atomics.store(this.#words, first + field.state, state.free)
    Atomics.sub(this.#words, this.#ownerWord(this.ownerOf(slot)), this.#load(first + field.counted))
    Atomics.add(this.#words, header.free, this.#load(first + field.held))
    Atomics.compareExchange(this.#words, header.reserved, slot + 1, 0)
  }

  #tellOfChange(): void {
    Atomics.add(this.#words, header.changes, 1)
    Atomics.notify(this.#words, header.changes)
  }

  #count(owner: number, bytes: number): boolean {
    if (bytes === 0) return true
    const word = this.#ownerWord(owner)
    const share = this.#load(header.share)
    for (;;) {
      const counted = this.#load(word)
      if (counted !== 0 && counted + bytes > share) return false
      if (Atomics.compareExchange(this.#words, word, counted, counted + bytes) === counted) return true
    }
  }

  /** The first word of each open body of all threads. */
  *#each(): Generator<number> {
    for (let thread = 0; thread < this.#threads; thread++) {
      const top = this.#load(this.#threadWord(thread, perThread.top))
      for (let index = 0; index < top; index++) {
        const first = this.#slotWord(thread * this.#slots + index)
        if (this.#load(first + field.state) !== state.free) yield first
      }
    }
  }

  #load(word: number): number {
    return Atomics.load(this.#words, word)
  }

  async #moved(word: number, seen: number, limit: number): Promise<void> {
    const waiting = Atomics.waitAsync(this.#words, word, seen, limit)
    if (waiting.async) await waiting.value
  }

  #threadWord(thread: number, which: number): number {
    return headerSize + thread * perThreadSize + which
  }

  #ownerWord(owner: number): number {
    return this.#owners + (owner & (ownerCount - 1))
  }

  #slotWord(slot: number): number {
    return this.#bodies + slot * fieldCount
  }
}

const origin = performance.timeOrigin

/** Milliseconds on one clock for all threads; wraps around at 32 bits. */
function now(): number {
  return (origin + performance.now()) | 0
}
