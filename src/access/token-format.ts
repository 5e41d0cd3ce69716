import { sign, verify, type KeyObject } from 'node:crypto'
import type { Instant } from '../instant.ts'
import type { SigningKeys } from './authority.ts'
import { principalKinds, type Principal } from './principal.ts'
import { openSigningKey } from './signing-keys.ts'
import { longestToken } from './unverified-token.ts'

/**
 * `access`: sent with each request, valid for minutes. `refresh`: exchanged for access tokens. Each has its
 * own `typ` and audience, so that neither is ever accepted as the other.
 */
export type TokenUse = 'access' | 'refresh'

const typeOf = { access: 'JWT', refresh: 'trow-refresh+jwt' } as const

export interface TokenNames {
  /** `iss` of trow's tokens; no other issuer has it. */
  readonly issuer: string
  /** `aud`: the `service` of the challenge. */
  readonly service: string
}

export type TokenVerdict =
  | {
      readonly ok: true
      readonly principal: Principal
      readonly expiresAt: Instant
      readonly id: string
      /** The scopes that it was requested with. */
      readonly scopes: readonly string[]
    }
  | {
      readonly ok: false
      readonly reason: string
      /** The key may be newer than the known ones. */ readonly unknownKey: boolean
    }

/**
 * Seconds by which clocks of replicas may differ. For `nbf` alone: no token may live longer than its `exp`.
 */
const leeway = 60

/** Signs trow's tokens, synchronously: JWT (RFC 7519) with ES256 (RFC 7518, 3.4), some 40 µs each. */
export class TokenSigner {
  readonly #names: TokenNames
  readonly #key: KeyObject
  readonly #headers: Readonly<Record<TokenUse, string>>

  constructor(names: TokenNames, keys: SigningKeys) {
    this.#names = names
    this.#key = openSigningKey(keys.current).privateKey
    const header = (use: TokenUse): string => encode({ alg: 'ES256', typ: typeOf[use], kid: keys.current.id })
    this.#headers = { access: header('access'), refresh: header('refresh') }
  }

  sign(
    use: TokenUse,
    principal: Principal,
    claims: {
      readonly id: string
      readonly now: Instant
      readonly expiresAt: Instant
      readonly scopes?: readonly string[]
    },
  ): string {
    const now = Math.floor(claims.now / 1000)
    const body = encode({
      iss: this.#names.issuer,
      aud: audienceOf(use, this.#names.service),
      sub: principal.name,
      iat: now,
      nbf: now,
      exp: Math.floor(claims.expiresAt / 1000),
      jti: claims.id,
      principal,
      // RFC 8693, 4.2.
      scope: (claims.scopes ?? []).join(' '),
    })
    const signed = `${this.#headers[use]}.${body}`
    const signature = sign('sha256', Buffer.from(signed), { key: this.#key, dsaEncoding: 'ieee-p1363' })
    return `${signed}.${signature.toString('base64url')}`
  }
}

/**
 * Verifies trow's tokens, synchronously. Accepts exactly the encoding that TokenSigner produces, and no
 * equivalent one.
 */
export class TokenVerifier {
  readonly #names: TokenNames
  readonly #keys: ReadonlyMap<string, KeyObject>

  constructor(names: TokenNames, keys: SigningKeys) {
    this.#names = names
    this.#keys = new Map(keys.all.map((key) => [key.id, openSigningKey(key).publicKey]))
  }

  verify(use: TokenUse, token: string, now: Instant): TokenVerdict {
    const parts = token.length > longestToken ? [] : token.split('.')
    const [head, body, signature, ...more] = parts
    if (head === undefined || body === undefined || signature === undefined || more.length > 0)
      return refused('it is not a token')
    const header = decode(head)
    const kid = header?.['kid']
    if (header === undefined || Object.keys(header).length !== 3 || header['alg'] !== 'ES256')
      return refused('it is not a token of this registry')
    if (header['typ'] !== typeOf[use])
      return refused(`it is not ${use === 'access' ? 'an access' : 'a refresh'} token`)
    if (typeof kid !== 'string') return refused('it names no key')
    const key = this.#keys.get(kid)
    if (key === undefined)
      return {
        ok: false,
        reason: 'it was signed with a key that is not known here (any more)',
        unknownKey: true,
      }
    const bytes = Buffer.from(signature, 'base64url')
    const proven =
      bytes.length === 64 &&
      bytes.toString('base64url') === signature &&
      verify('sha256', Buffer.from(`${head}.${body}`), { key, dsaEncoding: 'ieee-p1363' }, bytes)
    if (!proven) return refused('its signature is wrong')
    return this.#judge(use, decode(body), now)
  }

  #judge(use: TokenUse, claims: Readonly<Record<string, unknown>> | undefined, now: Instant): TokenVerdict {
    const { iss, aud, exp, nbf, jti, principal, scope } = claims ?? {}
    if (iss !== this.#names.issuer) return refused('another registry issued it')
    if (aud !== audienceOf(use, this.#names.service)) return refused('it is meant for another service')
    if (typeof exp !== 'number' || exp * 1000 <= now) return refused('the token has expired')
    if (typeof nbf !== 'number' || (nbf - leeway) * 1000 > now) return refused('it is not valid yet')
    if (typeof jti !== 'string' || !isPrincipal(principal)) return refused('it names nobody')
    const scopes = typeof scope === 'string' && scope !== '' ? scope.split(' ') : []
    return { ok: true, principal, expiresAt: exp * 1000, id: jti, scopes }
  }
}

function refused(reason: string): TokenVerdict {
  return { ok: false, reason, unknownKey: false }
}

function audienceOf(use: TokenUse, service: string): string {
  return use === 'access' ? service : `${service}#refresh`
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** The object in a part with canonical base64url. */
function decode(part: string): Readonly<Record<string, unknown>> | undefined {
  const bytes = Buffer.from(part, 'base64url')
  if (bytes.toString('base64url') !== part) return undefined
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

/** The signature proves that trow wrote it, but a token of an older release may lack a member. */
function isPrincipal(value: unknown): value is Principal {
  if (typeof value !== 'object' || value === null) return false
  const { kind, name, groups, reviewable }: { readonly [Name in keyof Principal]?: unknown } = value
  return (
    principalKinds.some((each) => each === kind) &&
    typeof name === 'string' &&
    Array.isArray(groups) &&
    groups.every((group) => typeof group === 'string') &&
    typeof reviewable === 'boolean'
  )
}
