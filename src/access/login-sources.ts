import type { Log } from '../log.ts'
import type { Instant } from '../instant.ts'
import { reasonOf } from '../reason-of.ts'

/** A network from which a correct password, or a valid token that only the cluster can verify, was sent. */
export interface LoginSource {
  /** The user name; empty for tokens that only the cluster can verify. */
  readonly name: string
  /** An address, or an IPv6 /64. */
  readonly network: string
  readonly seenAt: Instant
}

/** Keeps login sources across restarts: metadata's AccessStore. */
export interface LoginSourceStore {
  /** The newest, at most `limit`. */
  loginSources(limit: number): Promise<readonly LoginSource[]>
  /**
   * Need not survive a power cut. Keeps the newest `most` of each name, and none from before `forgetBefore`.
   */
  saveLoginSource(
    source: LoginSource,
    limits: { readonly most: number; readonly forgetBefore: Instant },
  ): Promise<void>
}

/** The name that stands for all tokens that only the cluster can verify. */
export const tokensOfCluster = ''

const day = 24 * 3_600_000
/** Milliseconds that a network is known. */
export const knownFor = 30 * day
const saveAgainAfter = day
const mostOfName = 64
const mostInAll = 50_000

/**
 * Networks from which names have succeeded in the last 30 days: there they can log in while they are attacked
 * from elsewhere.
 */
export class LoginSources {
  readonly #store: LoginSourceStore
  readonly #now: () => Instant
  readonly #log: Log
  /** Times of the last success, by name and network. */
  readonly #seen = new Map<string, Map<string, { at: Instant; savedAt: Instant }>>()

  private constructor(parts: {
    readonly store: LoginSourceStore
    readonly now: () => Instant
    readonly log: Log
  }) {
    this.#store = parts.store
    this.#now = parts.now
    this.#log = parts.log
  }

  static async open(parts: {
    readonly store: LoginSourceStore
    readonly now: () => Instant
    readonly log: Log
  }): Promise<LoginSources> {
    const sources = new LoginSources(parts)
    // Inserted oldest first, in the order in which they occurred.
    for (const { name, network, seenAt } of (await parts.store.loginSources(mostInAll)).toReversed())
      sources.#set(name, network, { at: seenAt, savedAt: seenAt })
    return sources
  }

  knows(name: string, network: string): boolean {
    const seen = this.#seen.get(name)?.get(network)
    return seen !== undefined && this.#now() - seen.at < knownFor
  }

  /** Another process has recorded a success. */
  learn(name: string, network: string, at: Instant): void {
    const seen = this.#seen.get(name)?.get(network)
    if (seen === undefined || seen.at < at) this.#set(name, network, { at, savedAt: at })
  }

  /** Records a success. It is stored at most once a day, in the background. */
  saw(name: string, network: string): void {
    const now = this.#now()
    const seen = this.#seen.get(name)?.get(network)
    const savedAt = seen === undefined || now - seen.savedAt >= saveAgainAfter ? now : seen.savedAt
    this.#set(name, network, { at: now, savedAt })
    if (savedAt !== now) return
    this.#store
      .saveLoginSource({ name, network, seenAt: now }, { most: mostOfName, forgetBefore: now - knownFor })
      .catch((error: unknown) =>
        this.#log.warn('it could not be written down from where a user has logged in', {
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
