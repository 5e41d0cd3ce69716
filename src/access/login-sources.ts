import type { Log } from '../log.ts'
import type { Instant } from '../instant.ts'
import { reasonOf } from '../reason-of.ts'

/** From where somebody has shown a right password, or a token that only the cluster can judge. */
export interface LoginSource {
  /** The user name; empty for tokens that only the cluster can judge. */
  readonly name: string
  /** An address, or an IPv6 /64. */
  readonly network: string
  readonly seenAt: Instant
}

/** Where they are kept for the next start: metadata's AccessStore. */
export interface LoginSourceStore {
  /** The newest, at most `limit`. */
  loginSources(limit: number): Promise<readonly LoginSource[]>
  /** Need not survive a power cut. Keeps of each name the newest `most`, and none from before `forgetBefore`. */
  saveLoginSource(
    source: LoginSource,
    limits: { readonly most: number; readonly forgetBefore: Instant },
  ): Promise<void>
}

/** The name under which tokens are kept that only the cluster can judge. */
export const tokensOfCluster = ''

const day = 24 * 3_600_000
/** How long an address is known. */
export const knownFor = 30 * day
const saveAgainAfter = day
const mostOfName = 64
const mostInAll = 50_000

/** From where names were used with success in the last 30 days: there they are let in while others attack them elsewhere. */
export class LoginSources {
  readonly #store: LoginSourceStore
  readonly #now: () => Instant
  readonly #say: Log
  /** When, by name and network. */
  readonly #seen = new Map<string, Map<string, { at: Instant; savedAt: Instant }>>()

  private constructor(parts: {
    readonly store: LoginSourceStore
    readonly now: () => Instant
    readonly say: Log
  }) {
    this.#store = parts.store
    this.#now = parts.now
    this.#say = parts.say
  }

  static async open(parts: {
    readonly store: LoginSourceStore
    readonly now: () => Instant
    readonly say: Log
  }): Promise<LoginSources> {
    const sources = new LoginSources(parts)
    // Oldest first, as they would have come.
    for (const { name, network, seenAt } of (await parts.store.loginSources(mostInAll)).toReversed())
      sources.#set(name, network, { at: seenAt, savedAt: seenAt })
    return sources
  }

  knows(name: string, network: string): boolean {
    const seen = this.#seen.get(name)?.get(network)
    return seen !== undefined && this.#now() - seen.at < knownFor
  }

  /** A success. Written down at most once a day, and nobody waits for it. */
  saw(name: string, network: string): void {
    const now = this.#now()
    const seen = this.#seen.get(name)?.get(network)
    const savedAt = seen === undefined || now - seen.savedAt >= saveAgainAfter ? now : seen.savedAt
    this.#set(name, network, { at: now, savedAt })
    if (savedAt !== now) return
    this.#store
      .saveLoginSource({ name, network, seenAt: now }, { most: mostOfName, forgetBefore: now - knownFor })
      .catch((error: unknown) =>
        this.#say.warn('it could not be written down from where a user has logged in', {
          reason: reasonOf(error),
        }),
      )
  }

  #set(name: string, network: string, seen: { at: Instant; savedAt: Instant }): void {
    let ofName = this.#seen.get(name)
    if (ofName === undefined) this.#seen.set(name, (ofName = new Map()))
    ofName.delete(network)
    ofName.set(network, seen)
    const [oldest] = ofName.keys()
    if (ofName.size > mostOfName && oldest !== undefined) ofName.delete(oldest)
  }
}
