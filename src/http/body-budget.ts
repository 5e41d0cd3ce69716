import { networkOf } from '../access/network.ts'
import type { Principal } from '../access/principal.ts'
import { OciError } from '../oci/oci-error.ts'
import { BodyTable, type BudgetSize } from './body-table.ts'

/** What is done where there is no room. */
export interface BudgetManners {
  /** What it is that there are too many of: `pushes`. */
  readonly what: string
  /**
   * What an owner's share is counted in. `announced`: a body counts whole before its first byte is read, so that it never
   * waits for another of its owner. `received`: only what has come counts, so that announcing costs others nothing.
   */
  readonly counts: 'announced' | 'received'
  /** Milliseconds in which a client has sent nothing before its body may be ended for others. */
  readonly patience: number
}

/** The hash of whom a body is read for. */
export type BodyOwner = number

const longestWait = 10_000
const lookAgainAfter = 250

/**
 * The bytes that all threads together may hold of bodies, those of requests or those of replies (whose clients are slow to take). What has come counts, not what was announced. A body
 * that finds no room waits, its socket is paused; the oldest that waits gets room beyond the rest (`reserve`), so that there
 * is always one that can finish. While somebody waits, the body that would take longest to come is ended (408). Each
 * thread has places of its own, so that what a thread held can be taken back when it dies.
 */
export class BodyBudget {
  readonly #table: BodyTable
  readonly #manners: BudgetManners
  readonly #open = new Map<number, OpenBody>()
  readonly #owners = new WeakMap<Principal, BodyOwner>()
  #listening = false

  private constructor(table: BodyTable, manners: BudgetManners) {
    this.#table = table
    this.#manners = manners
  }

  static create(size: BudgetSize, manners: BudgetManners): BodyBudget {
    return new BodyBudget(BodyTable.create(size), manners)
  }

  /** The same budget for the thread with this number, from 0. */
  static attach(buffer: SharedArrayBuffer, thread: number, manners: BudgetManners): BodyBudget {
    return new BodyBudget(BodyTable.attach(buffer, thread), manners)
  }

  get buffer(): SharedArrayBuffer {
    return this.#table.buffer
  }

  /** Bytes that are held now. */
  get held(): number {
    return this.#table.held
  }

  /** The caller, or the address of one whom nobody knows. */
  ownerOf(principal: Principal | undefined, address: string): BodyOwner {
    if (principal === undefined || principal.kind === 'anonymous')
      return hashOf(networkOf(address), this.#table.seed)
    let owner = this.#owners.get(principal)
    if (owner === undefined) {
      owner = hashOf(`${principal.kind}\n${principal.name}`, this.#table.seed)
      this.#owners.set(principal, owner)
    }
    return owner
  }

  /**
   * A place for a body of at most `expected` bytes, to be given back with `release`. Throws OciError TOOMANYREQUESTS where
   * its owner has used their share up for 10 s, UNAVAILABLE where all together have.
   */
  begin(owner: BodyOwner, expected: number): OpenBody | Promise<OpenBody> {
    return this.#tryBegin(owner, expected) ?? this.#beginLater(owner, expected)
  }

  /** Takes back what a thread held that is no more. */
  reclaim(thread: number): void {
    this.#table.reclaim(thread)
  }

  #tryBegin(owner: BodyOwner, expected: number): OpenBody | undefined {
    const counted = this.#manners.counts === 'announced' ? expected : 0
    const slot = this.#table.claim(owner, { expected, counted })
    if (slot === undefined) return undefined
    const body = new OpenBody(this.#table, slot, this.#manners, () => this.#open.delete(slot))
    this.#open.set(slot, body)
    if (!this.#listening) void this.#listen()
    return body
  }

  async #beginLater(owner: BodyOwner, expected: number): Promise<OpenBody> {
    const table = this.#table
    const deadline = performance.now() + longestWait
    for (;;) {
      const seen = table.changes
      const body = this.#tryBegin(owner, expected)
      if (body !== undefined) return body
      const ownersFault = this.#manners.counts === 'announced' && !table.fits(owner, expected)
      if (performance.now() > deadline) throw ownersFault ? tooMuchOfOne() : tooMuch(this.#manners.what)
      table.endSlowest(ownersFault ? owner : undefined, this.#manners.patience)
      await table.changed(seen, lookAgainAfter)
    }
  }

  /** Hears, while bodies are open, that one is to end for others. */
  async #listen(): Promise<void> {
    this.#listening = true
    while (this.#open.size > 0) {
      const seen = this.#table.orders
      for (const body of this.#open.values()) body.hear()
      await this.#table.ordered(seen, 1000)
    }
    this.#listening = false
  }
}

/** One body that is being read. */
export class OpenBody {
  /** Called once, when the body is to end because it comes too slowly and others wait. */
  onEnd: (() => void) | undefined
  readonly #table: BodyTable
  readonly #slot: number
  readonly #manners: BudgetManners
  readonly #forget: () => void
  #released = false

  constructor(table: BodyTable, slot: number, manners: BudgetManners, forget: () => void) {
    this.#table = table
    this.#slot = slot
    this.#manners = manners
    this.#forget = forget
  }

  /** From now on it waits for its client. */
  awaitClient(): void {
    this.#table.awaitClient(this.#slot)
  }

  /** The client has sent, or has ended. */
  heard(bytes: number): void {
    this.#table.heard(this.#slot, bytes)
  }

  /** Undefined: the bytes are counted already. Rejects with OciError UNAVAILABLE where there is no room for 10 s. */
  take(bytes: number): Promise<void> | undefined {
    return this.#tryTake(bytes) ? undefined : this.#takeLater(bytes)
  }

  release(): void {
    if (this.#released) return
    this.#released = true
    this.#forget()
    this.#table.release(this.#slot)
  }

  hear(): void {
    if (this.#table.isEnded(this.#slot)) this.onEnd?.()
  }

  #tryTake(bytes: number): boolean {
    return this.#table.take(this.#slot, bytes, this.#manners.counts === 'received')
  }

  async #takeLater(bytes: number): Promise<void> {
    const table = this.#table
    const { patience, counts, what } = this.#manners
    const deadline = performance.now() + longestWait
    table.wants(this.#slot, true)
    try {
      for (;;) {
        const seen = table.changes
        if (this.#released) return
        if (this.#tryTake(bytes)) return
        const ownersFault = counts === 'received' && !table.fits(table.ownerOf(this.#slot), bytes)
        // Whoever has the reserve needs no room.
        if (!ownersFault && table.takeReserve(this.#slot)) continue
        if (performance.now() > deadline) throw ownersFault ? tooMuchOfOne() : tooMuch(what)
        const ending = table.endSlowest(ownersFault ? table.ownerOf(this.#slot) : undefined, patience)
        // All of this owner's come fast, so this one is too much: half-read, it is not to wait for the others.
        if (ownersFault && !ending) throw tooMuchOfOne()
        await table.changed(seen, lookAgainAfter)
      }
    } finally {
      if (!this.#released) table.wants(this.#slot, false)
    }
  }
}

/** FNV-1a from a seed. */
function hashOf(key: string, seed: number): number {
  let hash = seed
  for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
  return hash ^ (hash >>> 16)
}

function tooMuch(what: string): OciError {
  return new OciError('UNAVAILABLE', `too many ${what} at once`, {
    detail: 'try again in a moment',
    headers: { 'Retry-After': '1' },
  })
}

function tooMuchOfOne(): OciError {
  return new OciError('TOOMANYREQUESTS', 'too many requests of this caller are in the works', {
    detail:
      'one caller may have an eighth of what the registry reads or sends at once: let some end before the next',
    headers: { 'Retry-After': '1' },
  })
}
