import { createHmac } from 'node:crypto'
import { OciError } from '../oci/oci-error.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Access, Decision, Shown } from './access.ts'
import { parseAuthorization } from './authorization.ts'
import type { Authority, Verified } from './authority.ts'
import { certificatePrincipal } from './certificate-principal.ts'
import type { ClientCertificate, Credential } from './credential.ts'
import { anonymous, type Action, type Principal } from './principal.ts'
import { RecentCache } from './recent-cache.ts'

/** What the rules of the configuration say; `silent`: nothing. */
export interface RuleDecision {
  readonly kind: 'allowed' | 'denied' | 'silent'
  readonly reason: string
}

export interface WorkerAccessParts {
  readonly authority: Authority
  readonly rules: { decide(principal: Principal, action: Action, repository: RepositoryName): RuleDecision }
  /** Of our own access tokens. Undefined: it is none of ours; the reason, where it is but does not hold. */
  readonly tokens: {
    verify(token: string): Promise<Verified | undefined>
    verifyRefresh(token: string): Promise<Verified | undefined>
  }
  /** Whether there is a cluster to ask. */
  readonly reviews: boolean
  readonly now: () => number
  /** Random; makes the keys of cached credentials useless to who reads them. */
  readonly cacheKey: Uint8Array
}

const credentialLimit = 10_000
const decisionLimit = 50_000

interface Known {
  readonly until: number
  readonly principal: Principal | undefined
  readonly error: OciError | undefined
}

/** One worker's view of who may do what: what the authority has answered is used until it ends. */
export class WorkerAccess implements Access {
  readonly #parts: WorkerAccessParts
  readonly #credentials = new RecentCache<string, Known>(credentialLimit)
  readonly #asked = new Map<string, Promise<Principal>>()
  readonly #identities = new WeakMap<Principal, string>()
  readonly #certificates = new WeakMap<ClientCertificate, Principal>()
  readonly #decisions = new RecentCache<string, { readonly until: number; readonly decision: Decision }>(
    decisionLimit,
  )

  constructor(parts: WorkerAccessParts) {
    this.#parts = parts
  }

  identify({ authorization, certificate, address }: Shown): Principal | Promise<Principal> {
    if (authorization === undefined) {
      return certificate === undefined ? anonymous : this.#fromCertificate(certificate)
    }
    const key = this.#keyOf(authorization)
    const known = this.#credentials.get(key)
    if (known !== undefined && known.until > this.#parts.now()) {
      if (known.error !== undefined) throw known.error
      return known.principal as Principal
    }
    // A refusal costs its sender time with every try: equal tries of different sources are not one.
    const question = `${key} ${address}`
    let asked = this.#asked.get(question)
    if (asked === undefined) {
      asked = this.#verify(key, parseAuthorization(authorization), address).finally(() =>
        this.#asked.delete(question),
      )
      this.#asked.set(question, asked)
    }
    return asked
  }

  async refresh(token: string, address: string): Promise<Principal> {
    const { tokens, authority } = this.#parts
    const verified =
      (await tokens.verifyRefresh(token)) ??
      // An identity token of somebody else's making, as clients send it in this place.
      (await authority.verify({ kind: 'bearer', token }, address))
    if (verified.ok) return verified.principal
    throw refusal(verified)
  }

  decide(principal: Principal, action: Action, repository: RepositoryName): Decision | Promise<Decision> {
    const key = `${this.#identityOf(principal)}\n${action}\n${repository}`
    const known = this.#decisions.get(key)
    if (known !== undefined && known.until > this.#parts.now()) return known.decision
    const ruled = this.#parts.rules.decide(principal, action, repository)
    if (ruled.kind !== 'silent' || !principal.reviewable || !this.#parts.reviews) {
      const decision = { allowed: ruled.kind === 'allowed', reason: ruled.reason }
      // Rules change only with a restart.
      this.#decisions.set(key, { decision, until: Infinity })
      return decision
    }
    return this.#review(key, principal, action, repository)
  }

  async #review(
    key: string,
    principal: Principal,
    action: Action,
    repository: RepositoryName,
  ): Promise<Decision> {
    const review = await this.#parts.authority.review(principal, action, repository)
    if (review.kind === 'unavailable') throw unavailable(review.reason, review.retryAfter)
    const decision = { allowed: review.allowed, reason: review.reason }
    this.#decisions.set(key, { decision, until: review.until })
    return decision
  }

  async #verify(key: string, credential: Credential | undefined, address: string): Promise<Principal> {
    if (credential === undefined) throw badHeader()
    const { tokens, authority } = this.#parts
    const own = credential.kind === 'bearer' ? await tokens.verify(credential.token) : undefined
    const verified = own ?? (await authority.verify(credential, address))
    if (verified.ok) {
      const { principal, until } = verified
      this.#credentials.set(key, { principal, until, error: undefined })
      return principal
    }
    const error = refusal(verified)
    // What a password is refused for is counted each time; a token that does not hold is only looked at again later.
    if (credential.kind === 'bearer' && verified.kind === 'refused')
      this.#credentials.set(key, { principal: undefined, until: verified.until, error })
    throw error
  }

  #fromCertificate(certificate: ClientCertificate): Principal {
    let principal = this.#certificates.get(certificate)
    if (principal === undefined) {
      const found = certificatePrincipal(certificate)
      if (found === undefined) {
        throw new OciError('UNAUTHORIZED', 'the client certificate names nobody', {
          detail: "trow's own CA vouches only for nodes, and the name system:anonymous is nobody's",
        })
      }
      principal = found
      this.#certificates.set(certificate, principal)
    }
    return principal
  }

  /** Everything that a decision can depend on. */
  #identityOf(principal: Principal): string {
    let identity = this.#identities.get(principal)
    if (identity === undefined) {
      const { kind, name, groups, uid, extra, scope } = principal
      identity = JSON.stringify([kind, name, groups, uid, extra, scope])
      this.#identities.set(principal, identity)
    }
    return identity
  }

  #keyOf(authorization: string): string {
    return createHmac('sha256', this.#parts.cacheKey).update(authorization).digest('base64')
  }
}

function refusal(verified: Extract<Verified, { ok: false }>): OciError {
  const { kind, reason, retryAfter = 1 } = verified
  if (kind === 'unavailable') return unavailable(reason, retryAfter)
  if (kind === 'throttled') {
    return new OciError('TOOMANYREQUESTS', 'too many failed attempts', {
      detail: reason,
      headers: { 'Retry-After': String(retryAfter) },
    })
  }
  return new OciError('UNAUTHORIZED', 'the credentials are not accepted', { detail: reason })
}

/** Never 401, on which clients drop their credentials. */
function unavailable(reason: string, retryAfter: number): OciError {
  return new OciError('UNAVAILABLE', 'nobody can tell now who may do this', {
    detail: reason,
    headers: { 'Retry-After': String(retryAfter) },
  })
}

function badHeader(): OciError {
  return new OciError('UNAUTHORIZED', 'the Authorization header is not understood', {
    detail: 'it is "Basic <base64 of user:password>" or "Bearer <token>"',
  })
}
