import { createHmac } from 'node:crypto'
import { OciError } from '../oci/oci-error.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import { RecentCache } from '../recent-cache.ts'
import type { Access, Decision, Identity, Shown } from './access.ts'
import { parseAuthorization } from './authorization.ts'
import type { Authority, Reviewed, Verified } from './authority.ts'
import { certificatePrincipal } from './certificates.ts'
import type { AuditReaders } from './audit-readers.ts'
import type { ClientCertificate, Credential } from './credential.ts'
import { anonymous, type Action, type Principal } from './principal.ts'
import type { OwnTokens } from './own-tokens.ts'
import type { Rules } from './rules.ts'
import { TokenBounds } from './token-bounds.ts'

export interface WorkerAccessParts {
  readonly authority: Authority
  readonly rules: Pick<Rules, 'decide'>
  readonly auditReaders: Pick<AuditReaders, 'decide'>
  readonly tokens: Pick<OwnTokens, 'claims' | 'verify'>
  /** Whether there is a cluster to ask. */
  readonly reviews: boolean
  readonly now: () => number
  /** Random; makes the keys of cached credentials useless to who reads them. */
  readonly cacheKey: Uint8Array
}

const credentialLimit = 10_000
const decisionLimit = 50_000
const nodeLimit = 10_000
const refusedFor = 10_000

/** An identity, or why there is none. */
interface Known {
  readonly until: number
  readonly found: Identity | OciError
}

/** `scopes`: of an access token of ours. */
type Judged = Verified & { readonly scopes?: readonly string[] }

const nobody: Identity = { principal: anonymous, bounds: undefined }

/** One worker's view of who may do what: what the authority has answered is used until it ends. */
export class WorkerAccess implements Access {
  readonly #parts: WorkerAccessParts
  readonly #credentials = new RecentCache<string, Known>(credentialLimit)
  readonly #asked = new Map<string, Promise<Identity>>()
  readonly #identities = new WeakMap<Principal, string>()
  readonly #certificates = new WeakMap<ClientCertificate, Identity>()
  readonly #nodes = new RecentCache<string, Known>(nodeLimit)
  readonly #decisions = new RecentCache<string, { readonly until: number; readonly decision: Decision }>(
    decisionLimit,
  )

  constructor(parts: WorkerAccessParts) {
    this.#parts = parts
  }

  identify({ authorization, certificate, address }: Shown): Identity | Promise<Identity> {
    if (authorization === undefined) {
      return certificate === undefined ? nobody : this.#fromCertificate(certificate)
    }
    const key = this.#keyOf(authorization, address)
    const known = this.#credentials.get(key)
    if (known !== undefined && known.until > this.#parts.now()) return orThrow(known.found)
    let asked = this.#asked.get(key)
    if (asked === undefined) {
      asked = this.#verify(key, parseAuthorization(authorization), address).finally(() =>
        this.#asked.delete(key),
      )
      this.#asked.set(key, asked)
    }
    return asked
  }

  async refresh(token: string, address: string): Promise<Principal> {
    const verified = await this.#parts.authority.verify({ kind: 'refresh', token }, address)
    if (verified.ok) return verified.principal
    throw refusal(verified)
  }

  decide(principal: Principal, action: Action, repository: RepositoryName): Decision | Promise<Decision> {
    // A catalogue asks for each name once: remembered, they would push out what pulls and pushes ask all the time.
    if (action === 'list') return this.#decideListing(principal, repository)
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
    return this.#review(key, this.#parts.authority.review(principal, action, repository))
  }

  #decideListing(principal: Principal, repository: RepositoryName): Decision | Promise<Decision> {
    const ruled = this.#parts.rules.decide(principal, 'list', repository)
    if (ruled.kind === 'silent' && principal.reviewable && this.#parts.reviews)
      return this.#reviewNamespace(principal, repository)
    return { allowed: ruled.kind === 'allowed', reason: ruled.reason }
  }

  decideAudit(principal: Principal): Decision | Promise<Decision> {
    const named = this.#parts.auditReaders.decide(principal)
    if (named.allowed || principal.scope !== undefined || !principal.reviewable || !this.#parts.reviews)
      return named
    const key = `${this.#identityOf(principal)}\naudit`
    const known = this.#decisions.get(key)
    if (known !== undefined && known.until > this.#parts.now()) return known.decision
    return this.#review(key, this.#parts.authority.reviewAudit(principal))
  }

  /** A catalogue asks once per namespace, not once for each of its repositories. */
  #reviewNamespace(principal: Principal, repository: RepositoryName): Decision | Promise<Decision> {
    const slash = repository.indexOf('/')
    const namespace = slash === -1 ? undefined : repository.slice(0, slash)
    const key = `${this.#identityOf(principal)}\nlist\n${namespace ?? ''}/`
    const known = this.#decisions.get(key)
    if (known !== undefined && known.until > this.#parts.now()) return known.decision
    return this.#review(key, this.#parts.authority.reviewNamespace(principal, namespace))
  }

  async #review(key: string, asked: Promise<Reviewed>): Promise<Decision> {
    const review = await asked
    if (review.kind === 'unavailable') throw unavailable(review.reason, review.retryAfter)
    const decision = { allowed: review.allowed, reason: review.reason }
    this.#decisions.set(key, { decision, until: review.until })
    return decision
  }

  async #verify(key: string, credential: Credential | undefined, address: string): Promise<Identity> {
    if (credential === undefined) throw badHeader()
    const isOwn = credential.kind === 'bearer' && this.#parts.tokens.claims(credential.token)
    const verified: Judged = isOwn
      ? await this.#judgeOwn(credential.token)
      : await this.#parts.authority.verify(credential, address)
    if (verified.ok) {
      const { principal, until } = verified
      const bounds = verified.scopes === undefined ? undefined : new TokenBounds(verified.scopes)
      const identity = { principal, bounds }
      this.#credentials.set(key, { found: identity, until })
      return identity
    }
    const error = refusal(verified)
    // What a password is refused for is counted each time; a token that does not hold is only looked at again later.
    if (credential.kind === 'bearer' && verified.kind === 'refused')
      this.#credentials.set(key, { found: error, until: verified.until })
    throw error
  }

  /** Our own tokens are judged here. One of a node falls with the node, not only when it ends. */
  async #judgeOwn(token: string): Promise<Judged> {
    const verdict = await this.#parts.tokens.verify('access', token)
    if (!verdict.ok) {
      const until = this.#parts.now() + refusedFor
      return { ok: false, kind: 'refused', reason: verdict.reason, until }
    }
    const { principal, expiresAt, scopes } = verdict
    if (principal.kind !== 'node-certificate') return { ok: true, principal, until: expiresAt, scopes }
    const standing = await this.#parts.authority.verifyNode(principal)
    return standing.ok ? { ...standing, until: Math.min(standing.until, expiresAt), scopes } : standing
  }

  #fromCertificate(certificate: ClientCertificate): Identity | Promise<Identity> {
    let identity = this.#certificates.get(certificate)
    if (identity === undefined) {
      const verdict = certificatePrincipal(certificate)
      if (!verdict.ok) throw notAccepted('the client certificate names nobody', verdict.reason)
      identity = { principal: verdict.principal, bounds: undefined }
      this.#certificates.set(certificate, identity)
    }
    const { kind, expiresAt = Infinity } = identity.principal
    // TLS has looked when the connection began, which may be an hour ago.
    if (expiresAt <= this.#parts.now())
      throw notAccepted(notAcceptedMessage, 'the client certificate has expired')
    if (kind !== 'node-certificate' || !this.#parts.reviews) return identity
    const key = nodeKeyOf(identity.principal)
    const known = this.#nodes.get(key)
    if (known === undefined || known.until <= this.#parts.now()) return this.#askForNode(key, identity)
    // The serial is this certificate's.
    return known.found instanceof OciError ? orThrow(known.found) : identity
  }

  async #askForNode(key: string, identity: Identity): Promise<Identity> {
    const verified = await this.#parts.authority.verifyNode(identity.principal)
    const found = verified.ok ? identity : refusal(verified)
    this.#nodes.set(key, { found, until: verified.until })
    return orThrow(found)
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

  /** With the address: who guesses elsewhere must not find out here, without a delay, what is right. */
  #keyOf(authorization: string, address: string): string {
    const hmac = createHmac('sha256', this.#parts.cacheKey)
    return hmac.update(`${address} ${authorization}`).digest('base64')
  }
}

function orThrow(found: Identity | OciError): Identity {
  if (found instanceof OciError) throw found
  return found
}

/** Every certificate of one node that was issued to one account stands or falls alike. */
function nodeKeyOf({ name, node }: Principal): string {
  return node === undefined ? name : `${name}\n${node.uid ?? ''}\n${JSON.stringify(node.account)}`
}

const notAcceptedMessage = 'the credentials are not accepted'

function notAccepted(message: string, detail: string): OciError {
  return new OciError('UNAUTHORIZED', message, { detail })
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
  return notAccepted(notAcceptedMessage, reason)
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
