import { createHash } from 'node:crypto'
import { createLocalJWKSet, errors, jwtVerify, type JWTPayload } from 'jose'
import { compilePattern } from '../oci/repository-pattern.ts'
import type { Instant } from '../instant.ts'
import type { Verified } from './authority.ts'
import { ExpiringCache } from './expiring-cache.ts'
import { discoverySchema, jwkSetSchema } from './jwk-set.ts'
import { plain } from './kubernetes-tokens.ts'
import { defaultPrefix, isSafeUrl, type OidcIssuer } from './oidc-issuer.ts'
import type { Principal } from './principal.ts'
import { SingleFlight } from './single-flight.ts'
import { readUnverified } from './unverified-token.ts'

/** GET of a JSON document. Rejects if there is no good answer in time. */
export type FetchJson = (url: string) => Promise<unknown>

export interface OidcParts {
  /** Already checked by `issuersProblem`. */
  readonly issuers: readonly OidcIssuer[]
  readonly fetchJson: FetchJson
  readonly now: () => Instant
}

const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
const keysFor = 60 * 60_000
const oldKeysFor = 24 * 60 * 60_000
const askAgainAfter = 30_000
const rightFor = 2 * 60_000
const wrongFor = 15_000
const leeway = 60

interface KeySet {
  readonly keys: ReturnType<typeof createLocalJWKSet>
  readonly readAt: Instant
}

/**
 * Verifies tokens of OIDC issuers: signature, audience and claims. The keys of an issuer come from its
 * discovery document and are kept for an hour.
 */
export class OidcTokens {
  readonly #parts: OidcParts
  readonly #keySets = new Map<string, KeySet>()
  readonly #triedAt = new Map<string, Instant>()
  readonly #fetches = new SingleFlight<KeySet | undefined>()
  readonly #flights = new SingleFlight<Verified>()
  readonly #answers: ExpiringCache<Verified>

  constructor(parts: OidcParts) {
    this.#parts = parts
    this.#answers = new ExpiringCache({ capacity: 10_000, now: parts.now })
  }

  /** Whether the token names one of these issuers. It is not verified. */
  claims(token: string): boolean {
    const iss = readUnverified(token)?.iss
    return this.#parts.issuers.some(({ issuer }) => issuer === iss)
  }

  async verify(token: string): Promise<Verified> {
    const key = createHash('sha256').update(token).digest('base64')
    return this.#answers.get(key) ?? this.#flights.run(key, () => this.#judge(token, key))
  }

  async #judge(token: string, key: string): Promise<Verified> {
    const issuer = readUnverified(token)?.iss
    if (issuer === undefined || !this.claims(token))
      return this.#refused('nobody here knows who issued the token')
    const payload = await this.#verifySignature(token, issuer)
    const answer = 'ok' in payload ? payload : this.#admit(payload.claims, issuer)
    if (answer.ok || answer.kind === 'refused') this.#answers.set(key, answer, answer.until)
    return answer
  }

  async #verifySignature(token: string, issuer: string): Promise<{ readonly claims: JWTPayload } | Verified> {
    const now = this.#parts.now()
    let set = await this.#keySet(issuer, (known) => known.readAt + keysFor > now)
    if (set === undefined) return this.#unavailable(issuer)
    for (;;) {
      try {
        // The tolerance is for `nbf`; the expiry is checked below without any.
        const { payload } = await jwtVerify(token, set.keys, {
          issuer,
          algorithms,
          requiredClaims: ['exp', 'aud'],
          clockTolerance: leeway,
          currentDate: new Date(now),
        })
        if ((payload.exp ?? 0) * 1000 <= now) return this.#refused('the token has expired')
        return { claims: payload }
      } catch (error) {
        const seen: KeySet = set
        if (error instanceof errors.JWKSNoMatchingKey) {
          set = await this.#keySet(issuer, (known) => known !== seen)
          if (set === undefined) return this.#unavailable(issuer)
          if (set !== seen) continue
        }
        return this.#refused(wording(error))
      }
    }
  }

  /** Fetches the keys at most every half minute; without an answer, known keys are used for a day. */
  async #keySet(issuer: string, good: (known: KeySet) => boolean): Promise<KeySet | undefined> {
    const now = this.#parts.now()
    const known = this.#keySets.get(issuer)
    if (known !== undefined && good(known)) return known
    const mayAsk = (this.#triedAt.get(issuer) ?? -Infinity) + askAgainAfter <= now
    // Without a fetch of its own, this call still joins one that is running.
    const newer = await this.#fetches.run(issuer, () =>
      mayAsk ? this.#fetch(issuer) : Promise.resolve(this.#keySets.get(issuer)),
    )
    if (newer !== undefined && good(newer)) return newer
    return known !== undefined && known.readAt + oldKeysFor > now ? known : undefined
  }

  async #fetch(issuer: string): Promise<KeySet | undefined> {
    const { fetchJson, now } = this.#parts
    this.#triedAt.set(issuer, now())
    try {
      const base = issuer.endsWith('/') ? issuer.slice(0, -1) : issuer
      const discovered = discoverySchema.parse(await fetchJson(`${base}/.well-known/openid-configuration`))
      const { issuer: said, jwks_uri: uri } = discovered
      if (said !== issuer || !isSafeUrl(new URL(uri))) return undefined
      const keys = createLocalJWKSet(jwkSetSchema.parse(await fetchJson(uri)))
      const set = { keys, readAt: now() }
      this.#keySets.set(issuer, set)
      return set
    } catch {
      return undefined
    }
  }

  /**
   * Admits by the first entry for this issuer whose audience and claims fit; otherwise returns the refusal of
   * the last entry.
   */
  #admit(claims: JWTPayload, issuer: string): Verified {
    let refusal = this.#refused('nobody here knows who issued the token')
    for (const entry of this.#parts.issuers) {
      if (entry.issuer !== issuer) continue
      const problem = claimProblem(entry, claims)
      if (problem !== undefined) {
        refusal = this.#refused(problem)
        continue
      }
      const principal = principalOf(entry, claims)
      if (typeof principal === 'string') return this.#refused(principal)
      const end = (claims.exp ?? 0) * 1000
      return { ok: true, principal, until: Math.min(this.#parts.now() + rightFor, end) }
    }
    return refusal
  }

  #refused(reason: string): Verified {
    return { ok: false, kind: 'refused', reason, until: this.#parts.now() + wrongFor }
  }

  #unavailable(issuer: string): Verified {
    const reason = `the keys of ${issuer} cannot be read now`
    return { ok: false, kind: 'unavailable', reason, retryAfter: 30, until: this.#parts.now() + 1000 }
  }
}

function claimProblem(entry: OidcIssuer, claims: JWTPayload): string | undefined {
  const audiences = [claims.aud].flat()
  if (!entry.audiences.some((each) => audiences.includes(each)))
    return `its audience is not "${entry.audiences.join('" or "')}"`
  for (const [name, pattern] of Object.entries(entry.claims)) {
    const value = Object.hasOwn(claims, name) ? claims[name] : undefined
    const text = ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : undefined
    if (text === undefined) return `it has no claim "${name}"`
    if (!compilePattern(pattern)(text))
      return `its claim "${name}" is "${plain(text)}", and only "${pattern}" is taken`
  }
  return undefined
}

/** The principal, or the reason why there is none. */
function principalOf(entry: OidcIssuer, claims: JWTPayload): Principal | string {
  const { usernameClaim = 'sub', groupsClaim, prefix = defaultPrefix } = entry
  const name = claims[usernameClaim]
  if (typeof name !== 'string' || name === '') return `it has no claim "${usernameClaim}" to name the caller`
  const given = groupsClaim === undefined ? [] : [claims[groupsClaim] ?? []].flat()
  if (!given.every((group) => typeof group === 'string'))
    return `its claim "${groupsClaim}" holds no names of groups`
  const texts = [name, ...given]
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (texts.some((text) => /[\u0000-\u001f\u007f]/.test(text))) return 'it holds control characters'
  return {
    kind: 'oidc',
    name: `${prefix}${name}`,
    groups: given.map((group) => `${prefix}${group}`),
    reviewable: true,
    ...(typeof claims.jti === 'string' ? { credentialId: plain(claims.jti) } : {}),
    expiresAt: (claims.exp ?? 0) * 1000,
  }
}

function wording(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'the token has expired'
  if (error instanceof errors.JWKSNoMatchingKey)
    return 'it was signed with a key that its issuer does not have'
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'its signature is wrong'
  if (error instanceof errors.JWTClaimValidationFailed)
    return error.claim === 'nbf' ? 'it is not valid yet' : `its claim "${error.claim}" is missing or wrong`
  if (error instanceof errors.JOSEError) return 'it is not a token that can be verified'
  // jose throws it for RSA below 2,048 bits, and for a key of another kind than the token's algorithm.
  if (error instanceof TypeError) return 'the key that its issuer signs with is too weak, or of another kind'
  throw error
}
