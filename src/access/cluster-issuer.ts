import { compactVerify, createLocalJWKSet, errors } from 'jose'
import type { ClusterTokenKeys } from '../cluster/reviews.ts'
import type { Instant } from '../instant.ts'
import { jwkSetSchema } from './jwk-set.ts'
import { SingleFlight } from './single-flight.ts'
import type { UnverifiedClaims } from './unverified-token.ts'

/** `proven`: the cluster has signed it. `unproven`: only the API server can tell. `forged`: nobody need be asked. */
export type Standing = 'proven' | 'unproven' | 'forged'

interface Known {
  readonly issuer: string
  readonly keys: ReturnType<typeof createLocalJWKSet>
  readonly readAt: Instant
}

const algorithms = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'EdDSA']
const keepFor = 60 * 60_000
const askAgainAfter = 30_000

/**
 * Tells tokens that the cluster has signed from others, with its own keys (OpenID discovery of the API server), so that
 * a forged one costs no question. It says nothing of whether a token still holds.
 */
export class ClusterIssuer {
  readonly #keys: ClusterTokenKeys
  readonly #now: () => Instant
  readonly #flight = new SingleFlight<Known | undefined>()
  #known: Known | undefined
  #triedAt = -Infinity

  constructor(parts: { readonly keys: ClusterTokenKeys; readonly now: () => Instant }) {
    this.#keys = parts.keys
    this.#now = parts.now
  }

  async judge(token: string, { iss }: UnverifiedClaims): Promise<Standing> {
    const known = await this.#current((each) => this.#now() - each.readAt < keepFor)
    // An API server may have issuers besides the one that it names.
    if (known === undefined || iss !== known.issuer) return 'unproven'
    const standing = await verify(token, known)
    if (standing !== 'unproven') return standing
    const newer = await this.#current((each) => each !== known)
    return newer === undefined || newer === known ? 'unproven' : verify(token, newer)
  }

  /** Asks again at most every half minute; what was known is used until there is something newer. */
  async #current(good: (known: Known) => boolean): Promise<Known | undefined> {
    if (this.#known !== undefined && good(this.#known)) return this.#known
    const now = this.#now()
    if (now - this.#triedAt < askAgainAfter) return this.#flight.under('keys') ?? this.#known
    this.#triedAt = now
    return this.#flight.run('keys', () => this.#read())
  }

  async #read(): Promise<Known | undefined> {
    const read = await this.#keys.tokenKeys()
    const parsed = read && jwkSetSchema.safeParse(read.keys)
    if (read !== undefined && parsed?.success === true)
      this.#known = { issuer: read.issuer, keys: createLocalJWKSet(parsed.data), readAt: this.#now() }
    return this.#known
  }
}

/** Only the signature: its times are judged by whoever asks, its rights by the API server. */
async function verify(token: string, { keys }: Known): Promise<Standing> {
  try {
    await compactVerify(token, keys, { algorithms })
    return 'proven'
  } catch (error) {
    return error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys
      ? 'unproven'
      : 'forged'
  }
}
