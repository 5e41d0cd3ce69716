import { OciError } from '../oci/oci-error.ts'
import type { IssuedToken, TokenService } from './access.ts'
import type { Instant } from '../instant.ts'
import type { SigningKeys } from './authority.ts'
import { ExpiringCache } from './expiring-cache.ts'
import type { Principal } from './principal.ts'
import { longestRefresh } from './signing-keys.ts'
import {
  TokenSigner,
  TokenVerifier,
  type TokenNames,
  type TokenUse,
  type TokenVerdict,
} from './token-format.ts'
import { readUnverified } from './unverified-token.ts'

export interface OwnTokenParts extends TokenNames {
  signingKeys(): Promise<SigningKeys>
  readonly now: () => Instant
  /** A new random id each time it is called. */
  readonly newId: () => string
}

interface Ready {
  readonly signer: TokenSigner
  readonly verifier: TokenVerifier
  readonly until: Instant
  readonly readAt: Instant
}

/** With the 10 s in which a revoked credential may still get one, tokens are out for 5 min at most. */
const accessFor = 5 * 60_000 - 10_000
/** An equal caller gets the same token so long. */
const reuseFor = 60_000
const askAgainAfter = 5000

/**
 * Our own tokens, signed and judged in this thread with keys that it keeps as long as it may: answers come at once but
 * for the first, one in minutes, and a token of a key that is not known yet.
 */
export class OwnTokens implements TokenService {
  readonly #parts: OwnTokenParts
  readonly #fresh: ExpiringCache<IssuedToken>
  #ready: Ready | undefined
  #reading: Promise<Ready> | undefined

  constructor(parts: OwnTokenParts) {
    this.#parts = parts
    this.#fresh = new ExpiringCache({ capacity: 1000, now: parts.now })
  }

  /** Whether the token says that we issued it. It is not verified. */
  claims(token: string): boolean {
    return readUnverified(token)?.iss === this.#parts.issuer
  }

  /** Throws OciError REQUEST_INVALID for another service, UNAVAILABLE where there is no key. */
  async issue(
    principal: Principal,
    {
      service,
      refresh,
      scopes,
    }: { readonly service: string; readonly refresh: boolean; readonly scopes: readonly string[] },
  ): Promise<IssuedToken> {
    if (service !== this.#parts.service) {
      const detail = `this registry's service is "${this.#parts.service}"`
      throw new OciError('REQUEST_INVALID', 'the service is not known here', { detail })
    }
    const now = this.#parts.now()
    const ready = await this.#current()
    const issued = this.#access(ready.signer, principal, [...new Set(scopes)].sort(), now)
    const end = refresh ? refreshEnd(principal, now) : undefined
    if (end === undefined) return issued
    const claims = { id: this.#parts.newId(), now, expiresAt: end }
    return { ...issued, refreshToken: ready.signer.sign('refresh', principal, claims) }
  }

  /** At once wherever it can be told at once. Rejects with OciError UNAVAILABLE where there is no key. */
  verify(use: TokenUse, token: string): TokenVerdict | Promise<TokenVerdict> {
    const ready = this.#ready
    if (ready === undefined || ready.until <= this.#parts.now()) return this.#verifyLater(use, token)
    const verdict = ready.verifier.verify(use, token, this.#parts.now())
    if (verdict.ok || !verdict.unknownKey || ready.readAt + askAgainAfter > this.#parts.now()) return verdict
    this.#ready = undefined
    return this.#verifyLater(use, token)
  }

  async #verifyLater(use: TokenUse, token: string): Promise<TokenVerdict> {
    const { verifier } = await this.#current()
    return verifier.verify(use, token, this.#parts.now())
  }

  #access(signer: TokenSigner, principal: Principal, scopes: readonly string[], now: Instant): IssuedToken {
    const key = JSON.stringify([principal, scopes])
    const known = this.#fresh.get(key)
    if (known !== undefined) {
      const age = Math.ceil((now - known.issuedAt.getTime()) / 1000)
      return { ...known, expiresIn: known.expiresIn - age }
    }
    const expiresAt = Math.min(now + accessFor, principal.expiresAt ?? Infinity)
    const issued = {
      token: signer.sign('access', principal, { id: this.#parts.newId(), now, expiresAt, scopes }),
      expiresIn: Math.max(Math.floor((expiresAt - now) / 1000), 0),
      issuedAt: new Date(now),
      refreshToken: undefined,
    }
    // Clients take a token for good for at least a minute.
    this.#fresh.set(key, issued, Math.min(now + reuseFor, expiresAt - reuseFor))
    return issued
  }

  #current(): Promise<Ready> | Ready {
    const now = this.#parts.now()
    if (this.#ready !== undefined && this.#ready.until > now) return this.#ready
    this.#reading ??= this.#read().finally(() => (this.#reading = undefined))
    return this.#reading
  }

  async #read(): Promise<Ready> {
    let keys: SigningKeys
    try {
      keys = await this.#parts.signingKeys()
    } catch (cause) {
      throw new OciError('UNAVAILABLE', 'tokens cannot be issued or verified now', {
        headers: { 'Retry-After': '5' },
        cause,
      })
    }
    this.#ready = {
      signer: new TokenSigner(this.#parts, keys),
      verifier: new TokenVerifier(this.#parts, keys),
      until: keys.until,
      readAt: this.#parts.now(),
    }
    return this.#ready
  }
}

/**
 * When a refresh token for this caller ends; undefined where there is none. A password's and a robot's hold for 30 days
 * and fall with the password or the robot. Others have none: clients keep the certificate, or the token of a cluster or an
 * OIDC issuer, itself, which is judged each time, so that a CA or a pod that is gone is noticed.
 */
function refreshEnd(principal: Principal, now: Instant): Instant | undefined {
  const end = principal.expiresAt ?? Infinity
  switch (principal.kind) {
    case 'password':
    case 'robot':
      return principal.credentialId === undefined ? undefined : Math.min(now + longestRefresh, end)
    case 'anonymous':
    case 'certificate':
    case 'kubernetes':
    case 'node-certificate':
    case 'oidc':
      return undefined
  }
}
