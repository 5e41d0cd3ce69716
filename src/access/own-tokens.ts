import { OciError } from '../oci/oci-error.ts'
import type { IssuedToken, TokenService } from './access.ts'
import type { Instant } from '../instant.ts'
import type { SigningKeys } from './authority.ts'
import { ExpiringCache } from './expiring-cache.ts'
import type { Principal } from './principal.ts'
import { SharedRead } from '../shared-read.ts'
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
  readonly isOld: boolean
}

/**
 * Milliseconds. A revoked credential may still obtain a token for 10 s; its tokens are therefore valid for 5
 * min at most after a revocation.
 */
const accessFor = 5 * 60_000 - 10_000
/** Milliseconds in which equal requests get the same token. */
const reuseFor = 60_000
/** Milliseconds between two looks for unknown keys: however many tokens name some, they cause no more. */
const lookPause = 250

/**
 * trow's own tokens, signed and verified in this thread with cached keys. Verification is synchronous, except
 * when the keys must be read: for the first token, once in minutes, and for a token of an unknown key, which another
 * process may have made a moment ago.
 */
export class OwnTokens implements TokenService {
  readonly #parts: OwnTokenParts
  readonly #fresh: ExpiringCache<IssuedToken>
  #ready: Ready | undefined
  #reading: Promise<Ready> | undefined
  readonly #looking = new SharedRead(() => this.#read(), { pause: lookPause })

  constructor(parts: OwnTokenParts) {
    this.#parts = parts
    this.#fresh = new ExpiringCache({ capacity: 1000, now: parts.now })
  }

  /** Whether the token names this registry as its issuer. It is not verified. */
  claims(token: string): boolean {
    return readUnverified(token)?.iss === this.#parts.issuer
  }

  /** Throws OciError REQUEST_INVALID for another service, UNAVAILABLE if there is no key. */
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

  /** Synchronous whenever the keys are known. Rejects with OciError UNAVAILABLE if there is no key. */
  verify(use: TokenUse, token: string): TokenVerdict | Promise<TokenVerdict> {
    const ready = this.#ready
    if (ready === undefined || ready.until <= this.#parts.now()) return this.#verifyLater(use, token)
    const verdict = ready.verifier.verify(use, token, this.#parts.now())
    return verdict.ok || !verdict.unknownKey ? verdict : this.#verifyAnew(use, token)
  }

  async #verifyLater(use: TokenUse, token: string): Promise<TokenVerdict> {
    const { verifier } = await this.#current()
    const verdict = verifier.verify(use, token, this.#parts.now())
    return verdict.ok || !verdict.unknownKey ? verdict : this.#verifyAnew(use, token)
  }

  /** By the keys that there are now. */
  async #verifyAnew(use: TokenUse, token: string): Promise<TokenVerdict> {
    const { verifier, isOld } = await this.#looking.get()
    const verdict = verifier.verify(use, token, this.#parts.now())
    // A client would drop a token that is refused.
    if (!verdict.ok && verdict.unknownKey && isOld) throw noKeys(undefined)
    return verdict
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
    // Clients expect a token to be valid for at least a minute.
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
      throw noKeys(cause)
    }
    this.#ready = {
      signer: new TokenSigner(this.#parts, keys),
      verifier: new TokenVerifier(this.#parts, keys),
      until: keys.until,
      isOld: keys.isOld ?? false,
    }
    return this.#ready
  }
}

function noKeys(cause: unknown): OciError {
  return new OciError('UNAVAILABLE', 'tokens cannot be issued or verified now', {
    headers: { 'Retry-After': '5' },
    cause,
  })
}

/**
 * The expiry of a refresh token for this caller; undefined: it gets none. One for a password or a robot is
 * valid for 30 days and ends with the password or the robot. Other callers keep their certificate, or their
 * token of a cluster or an OIDC issuer, which is verified each time, so that a removed CA or pod is noticed.
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
