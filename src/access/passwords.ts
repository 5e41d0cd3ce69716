import { createHash, createHmac } from 'node:crypto'
import type { Instant } from '../instant.ts'
import { answerFor, type Verified } from './authority.ts'
import type { Bcrypt } from './bcrypt.ts'
import { BoundedQueue } from './bounded-queue.ts'
import { ExpiringCache } from './expiring-cache.ts'
import type { FailureDelays } from './failures.ts'
import type { Users } from './htpasswd.ts'
import { knownFor } from './login-sources.ts'
import { networkOf } from './network.ts'
import type { Principal } from './principal.ts'
import { SingleFlight } from './single-flight.ts'

export interface PasswordParts {
  readonly users: Users
  readonly bcrypt: Bcrypt
  readonly delays: FailureDelays
  readonly now: () => Instant
  /** Random, at least 32 bytes, of this process alone. */
  readonly key: Uint8Array
  /** Hashes at a time, default 2: they share libuv's thread pool with the disk. */
  readonly concurrency?: number
}

interface KnownPassword {
  readonly hashed: string
  /**
   * Sources from which the password was correct before: from there it is accepted even while attempts on the
   * name are delayed.
   */
  readonly sources: Set<string>
}

/** Milliseconds: a correct password stays known as long as its source does. */
const passwordKnownFor = knownFor
/**
 * Attempts that wait for a hash. `all`: of callers that have logged in from their network lately, and as many
 * of others; `ofOne`: of one network.
 */
const mostWaiting = { all: 64, ofOne: 16 }
const mostSources = 64
const wrong = 'the user name or the password is wrong'

/**
 * Password users. A correct password is verified by bcrypt once, and then recognised by a keyed hash in the
 * memory of this process until the file changes. A wrong password is always hashed, and so is one for an
 * unknown user; both cost as much as the most expensive hash of the file, so that the response time reveals
 * nothing.
 */
export class Passwords {
  readonly #parts: PasswordParts
  readonly #known: ExpiringCache<KnownPassword>
  readonly #flights = new SingleFlight<Verified>()
  readonly #queue: BoundedQueue
  #users: Users
  #highest = 0

  constructor(parts: PasswordParts) {
    this.#parts = parts
    this.#known = new ExpiringCache({ capacity: 10_000, now: parts.now })
    this.#queue = new BoundedQueue({
      concurrency: parts.concurrency ?? 2,
      waiting: mostWaiting.all,
      share: mostWaiting.ofOne,
    })
    this.#users = new Map()
    this.replace(parts.users)
  }

  /** Replaces the users and forgets all recognised passwords. */
  replace(users: Users): void {
    this.#users = users
    this.#highest = Math.max(0, ...[...users.values()].map(costOf)) || 10
    this.#known.clear()
  }

  async verify(username: string, password: string, source: string): Promise<Verified> {
    const key = this.#keyOf(username, password)
    const known = this.#known.get(key)
    if (
      known !== undefined &&
      (known.sources.has(source) || this.#parts.delays.waiting(username, source) === 0)
    ) {
      track(known.sources, source)
      this.#parts.delays.saw(username, source)
      return this.#welcome(username)
    }
    // By source too: a caller that shares another's attempt must not bypass its own delay.
    return this.#flights.run(`${key}\n${source}`, () => this.#attempt({ username, password, source, key }))
  }

  /**
   * The present principal of a user name; undefined: no such user. `credentialId` changes with the password.
   */
  find(username: string): Principal | undefined {
    const hashed = this.#users.get(username)
    if (hashed === undefined) return undefined
    const credentialId = createHash('sha256').update(`${username}:${hashed}`).digest('hex').slice(0, 16)
    return { kind: 'password', name: username, groups: [], reviewable: false, credentialId }
  }

  async #attempt(given: {
    readonly username: string
    readonly password: string
    readonly source: string
    readonly key: string
  }): Promise<Verified> {
    const { username, password, source, key } = given
    await this.#parts.delays.learn(username, source)
    const attempt = this.#parts.delays.begin(username, source)
    if (attempt.kind === 'wait') return this.#throttled(attempt.milliseconds)
    const hashed = this.#users.get(username)
    const answer = this.#queue.run(() => this.#compare(password, hashed), {
      owner: networkOf(source),
      first: this.#parts.delays.knows(username, source),
    })
    if (answer === undefined) {
      attempt.undone()
      return this.#throttled(1000)
    }
    let right: boolean
    try {
      right = await answer
    } catch (error) {
      attempt.undone()
      throw error
    }
    if (hashed !== this.#users.get(username)) {
      // The file changed during the attempt: only its present line counts.
      attempt.undone()
      return this.#attempt(given)
    }
    if (!right || hashed === undefined) {
      await attempt.failed()
      return { ok: false, kind: 'refused', reason: wrong, until: this.#parts.now() }
    }
    attempt.succeeded()
    const sources = this.#known.get(key)?.sources ?? new Set()
    track(sources, source)
    this.#known.set(key, { hashed, sources }, this.#parts.now() + passwordKnownFor)
    return this.#welcome(username)
  }

  /** A wrong password costs 2^highest in all: the hash's own 2^cost, then 2^cost, 2^(cost+1) … 2^(highest-1). */
  async #compare(password: string, hashed: string | undefined): Promise<boolean> {
    const { bcrypt } = this.#parts
    if (hashed === undefined) {
      await bcrypt.verify(password, nobodysHash(this.#highest))
      return false
    }
    const highest = this.#highest
    if (await bcrypt.verify(password, hashed)) return true
    for (let cost = costOf(hashed); cost < highest; cost++) await bcrypt.verify(password, nobodysHash(cost))
    return false
  }

  #welcome(username: string): Verified {
    const principal = this.find(username)
    if (principal === undefined)
      return { ok: false, kind: 'refused', reason: wrong, until: this.#parts.now() }
    return { ok: true, principal, until: this.#parts.now() + answerFor }
  }

  #throttled(milliseconds: number): Verified {
    return {
      ok: false,
      kind: 'throttled',
      reason: 'there were too many wrong attempts: wait before the next',
      retryAfter: Math.ceil(milliseconds / 1000),
      until: this.#parts.now(),
    }
  }

  #keyOf(username: string, password: string): string {
    return createHmac('sha256', this.#parts.key)
      .update(`${username.length}:${username}${password}`)
      .digest('base64')
  }
}

function costOf(hashed: string): number {
  return Number(hashed.slice(4, 6))
}

/** A hash of no known password; it takes as long to verify as any other of this cost. */
function nobodysHash(cost: number): string {
  return `$2b$${String(cost).padStart(2, '0')}$Zs3Xc5GQ1n0uM8qLw7TkveB9rYdHj2AfEoPiVtNxKlSmCgWbUhRJ6`
}

function track(sources: Set<string>, source: string): void {
  sources.delete(source)
  sources.add(source)
  const [oldest] = sources
  if (sources.size > mostSources && oldest !== undefined) sources.delete(oldest)
}
