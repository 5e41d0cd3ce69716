import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Instant } from '../instant.ts'

/** Failures that are added to a count. */
export interface AddedFailures {
  readonly key: string
  readonly count: number
  /** By how much the count sinks in a second. */
  readonly drain: number
}

/** Counts failed logins for all processes of a registry: metadata's AccessStore. */
export interface FailureStore {
  look(trial: {
    readonly keys: { readonly pair: string; readonly source: string; readonly user: string }
    readonly name: string
    readonly network: string
  }): Promise<{
    /** `age`: milliseconds since the last failure. */
    readonly counts: ReadonlyMap<string, { readonly count: number; readonly age: number }>
    readonly seenAt: Instant | undefined
  }>
  add(more: readonly AddedFailures[]): Promise<void>
  clear(key: string): Promise<void>
}

/** What other processes know of a login. */
export interface KnownElsewhere {
  readonly pair: { readonly count: number; readonly age: number } | undefined
  /** Failures from the source, and of the name, that count now. */
  readonly source: number
  readonly user: number
  /** When the name has succeeded from the network. */
  readonly seenAt: Instant | undefined
}

/** Milliseconds that a login waits for the database: without it, the counts of this process hold. */
const patience = 300
/** Keys whose failures wait for the database. */
const mostWaiting = 10_000

/**
 * Failed logins as all processes of a registry count them. Only failures write, those of one moment together; a
 * login asks once.
 */
export class SharedFailures {
  readonly #store: FailureStore
  readonly #patience: number
  readonly #drains: { readonly source: number; readonly user: number }
  #waiting = new Map<string, AddedFailures>()
  #adding: Promise<void> | undefined
  /** A question was not answered in time and still is not: nobody else asks. */
  #isAway = false

  /** `drains`: by how much the counts of a source and of a name sink in a second. */
  constructor(parts: {
    readonly store: FailureStore
    readonly drains: { readonly source: number; readonly user: number }
    readonly patience?: number
  }) {
    this.#store = parts.store
    this.#drains = parts.drains
    this.#patience = parts.patience ?? patience
  }

  /** Undefined: the database does not answer. */
  async look(name: string, network: string): Promise<KnownElsewhere | undefined> {
    if (this.#isAway) return undefined
    const keys = keysOf(name, network)
    const asked = this.#store.look({ keys, name, network }).then(
      ({ counts, seenAt }) => ({
        pair: counts.get(keys.pair),
        source: counts.get(keys.source)?.count ?? 0,
        user: counts.get(keys.user)?.count ?? 0,
        seenAt,
      }),
      () => undefined,
    )
    const known = await this.#inTime(asked)
    if (known === undefined) {
      this.#isAway = true
      void asked.then(() => (this.#isAway = false))
    }
    return known
  }

  /**
   * Counts one failure. `isKnown`: the name has succeeded from there, so that neither the count of the source nor that
   * of the name concerns it. Resolves when the others see it, or after a short time. Never rejects.
   */
  async add(name: string, network: string, isKnown: boolean): Promise<void> {
    const { pair, source, user } = keysOf(name, network)
    this.#wait(pair, 0)
    if (!isKnown) {
      this.#wait(source, this.#drains.source)
      this.#wait(user, this.#drains.user)
    }
    await this.#inTime(this.#addAll())
  }

  /** The name has succeeded from there. Never rejects. */
  clear(name: string, network: string): void {
    const { pair } = keysOf(name, network)
    this.#waiting.delete(pair)
    // What is not cleared is forgotten after a quarter of an hour.
    this.#store.clear(pair).catch(() => undefined)
  }

  #wait(key: string, drain: number): void {
    const count = (this.#waiting.get(key)?.count ?? 0) + 1
    if (count > 1 || this.#waiting.size < mostWaiting) this.#waiting.set(key, { key, count, drain })
  }

  /** Resolves when all that waits now has been added, or cannot be. */
  async #addAll(): Promise<void> {
    await this.#adding
    if (this.#waiting.size === 0) return this.#adding
    const all = [...this.#waiting.values()]
    this.#waiting = new Map()
    // What the database does not take counts in this process alone.
    this.#adding = this.#store.add(all).catch(() => undefined)
    await this.#adding
  }

  #inTime<Answer>(asked: Promise<Answer>): Promise<Answer | undefined> {
    const timer = new AbortController()
    const late = sleep(this.#patience, undefined, { signal: timer.signal }).catch(() => undefined)
    return Promise.race([asked, late]).finally(() => timer.abort())
  }
}

/** Hashes: what was typed as a name may be a password. */
function keysOf(
  name: string,
  network: string,
): { readonly pair: string; readonly source: string; readonly user: string } {
  return {
    pair: hash(['pair', name, network]),
    source: hash(['source', network]),
    user: hash(['user', name]),
  }
}

function hash(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
}
