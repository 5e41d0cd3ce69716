import { compactVerify, createLocalJWKSet, errors } from 'jose'
import type { ClusterTokenKeys } from '../cluster/reviews.ts'
import type { Instant } from '../instant.ts'
import { jwkSetSchema } from './jwk-set.ts'
import { SingleFlight } from './single-flight.ts'
import type { UnverifiedClaims } from './unverified-token.ts'

/**
 * `proven`: the cluster has signed it. `unproven`: only the API server can verify it. `forged`: refused
 * without asking the API server.
 */
export type IssuerStanding = 'proven' | 'unproven' | 'forged'

interface IssuerKeys {
  readonly issuer: string
  readonly keys: ReturnType<typeof createLocalJWKSet>
  readonly readAt: Instant
}

const algorithms = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'EdDSA']
const keepFor = 60 * 60_000
const askAgainAfter = 30_000

/**
 * Checks the signature of tokens with the cluster's own keys (OpenID discovery of the API server), so that a
 * forged token causes no TokenReview. Does not check whether a token is still valid.
 */
export class ClusterIssuer {
  readonly #keys: ClusterTokenKeys
  readonly #now: () => Instant
  readonly #flight = new SingleFlight<IssuerKeys | undefined>()
  #known: IssuerKeys | undefined
  #triedAt = -Infinity

  constructor(parts: { readonly keys: ClusterTokenKeys; readonly now: () => Instant }) {
    this.#keys = parts.keys
    this.#now = parts.now
  }

  async judge(token: string, { iss }: UnverifiedClaims): Promise<IssuerStanding> {
    const known = await this.#current((each) => this.#now() - each.readAt < keepFor)
    // An API server may have more issuers than the one that it announces.
    if (known === undefined || iss !== known.issuer) return 'unproven'
    const standing = await verify(token, known)
    if (standing !== 'unproven') return standing
    const newer = await this.#current((each) => each !== known)
    return newer === undefined || newer === known ? 'unproven' : verify(token, newer)
  }

  /** Reads the keys at most every half minute; known keys are used until there are newer ones. */
  async #current(good: (known: IssuerKeys) => boolean): Promise<IssuerKeys | undefined> {
    if (this.#known !== undefined && good(this.#known)) return this.#known
    const now = this.#now()
    if (now - this.#triedAt < askAgainAfter) return this.#flight.under('keys') ?? this.#known
    this.#triedAt = now
    return this.#flight.run('keys', () => this.#read())
  }

  async #read(): Promise<IssuerKeys | undefined> {
    const read = await this.#keys.tokenKeys()
    const parsed = read && jwkSetSchema.safeParse(read.keys)
    if (read !== undefined && parsed?.success === true)
      this.#known = { issuer: read.issuer, keys: createLocalJWKSet(parsed.data), readAt: this.#now() }
    return this.#known
  }
}

/** Verifies the signature alone: the caller checks the times, the API server the validity. */
async function verify(token: string, { keys }: IssuerKeys): Promise<IssuerStanding> {
  try {
    await compactVerify(token, keys, { algorithms })
    return 'proven'
  } catch (error) {
    return error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys
      ? 'unproven'
      : 'forged'
  }
}
