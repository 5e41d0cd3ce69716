import { networkOf } from '../access/network.ts'
import type { Principal } from '../access/principal.ts'
import { OciError } from '../oci/oci-error.ts'
import { BodyTable, type BudgetSize } from './body-table.ts'

/** How a budget behaves when it has no room. */
export interface BudgetManners {
  /** The noun of the error message: `pushes` in "too many pushes at once". */
  readonly what: string
  /**
   * How bodies count in their owner's share. `announced`: a body counts with its full length before its first
   * byte is read, so that it never waits for another body of its owner. `received`: only received bytes
   * count, so that announcing a length takes no room from others.
   */
  readonly counts: 'announced' | 'received'
  /** Milliseconds that a body must have waited for its client before it may be ended in favour of others. */
  readonly patience: number
}

/** Hash of the caller or the network that a body is read for. */
export type BodyOwner = number

const longestWait = 10_000
const lookAgainAfter = 250

/**
 * The bytes that the bodies of all threads together may hold in memory: request bodies, or reply bodies whose
 * clients read slowly. Received bytes count, not announced ones. A body that finds no room waits with its
 * socket paused. The oldest waiting body may use the `reserve`, so that at least one body can always finish.
 * While a body waits, the body that would take longest to arrive is ended (408). Each thread has its own
 * slots, so that the bytes of a dead thread can be reclaimed.
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

  /** The same budget in another thread. `thread`: its number, from 0. */
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

  /** Identifies a known caller by kind and name, an anonymous one by the network of its address. */
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
   * A slot for a body of at most `expected` bytes; the caller gives it back with `release`. Rejects after 10
   * s with OciError TOOMANYREQUESTS if the owner's share is used up, with UNAVAILABLE if all slots of this
   * thread are taken.
   */
  begin(owner: BodyOwner, expected: number): OpenBody | Promise<OpenBody> {
    return this.#tryBegin(owner, expected) ?? this.#beginLater(owner, expected)
  }

  /** Frees what a dead thread held. */
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

  /** While bodies are open, waits for the notice that one of them must end, and passes it on. */
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

/** One body that is being received or sent. */
export class OpenBody {
  /**
   * Called when the body must end because it arrives too slowly while others wait. May be called again until
   * the body is released.
   */
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

  /** Starts the time in which the body waits for its client. */
  awaitClient(): void {
    this.#table.awaitClient(this.#slot)
  }

  /** Stops that time: the client has sent these bytes (of a reply: has taken them), or has ended the body. */
  heard(bytes: number): void {
    this.#table.heard(this.#slot, bytes)
  }

  /**
   * Undefined: the bytes are counted already. Rejects after 10 s with OciError UNAVAILABLE if there is no
   * room; with TOOMANYREQUESTS if the owner's share is used up.
   */
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
        // A body that has the reserve is counted even if no room is free.
        if (!ownersFault && table.takeReserve(this.#slot)) continue
        if (performance.now() > deadline) throw ownersFault ? tooMuchOfOne() : tooMuch(what)
        const ending = table.endSlowest(ownersFault ? table.ownerOf(this.#slot) : undefined, patience)
        // No body of this owner is slow enough to be ended, so this one is refused: it is half-read and must
        // not hold its bytes while it waits.
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
