import { createHmac } from 'node:crypto'
import { OciError } from '../oci/oci-error.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import { RecentCache } from '../recent-cache.ts'
import type { Access, Decision, Identity, PresentedCredentials } from './access.ts'
import { parseAuthorization } from './authorization.ts'
import type { Authority, Reviewed, Verified } from './authority.ts'
import { certificatePrincipal } from './certificates.ts'
import type { AuditReaders } from './audit-readers.ts'
import type { ClientCertificate, Credential } from './credential.ts'
import { anonymous, type Action, type AdmissionRight, type Principal } from './principal.ts'
import type { OwnTokens } from './own-tokens.ts'
import type { Rules } from './rules.ts'
import { TokenBounds } from './token-bounds.ts'

export interface WorkerAccessParts {
  readonly authority: Authority
  /** The rules in force. After a change `forget` must be called. */
  readonly rules: () => Pick<Rules, 'decide'>
  readonly auditReaders: () => Pick<AuditReaders, 'decide'>
  readonly tokens: Pick<OwnTokens, 'claims' | 'verify'>
  /** Whether there is a cluster to ask. */
  readonly reviews: boolean
  readonly now: () => number
  /** Random: without it the keys of the cache reveal nothing about the credentials. */
  readonly cacheKey: Uint8Array
}

const credentialLimit = 10_000
const decisionLimit = 50_000
const nodeLimit = 10_000
const refusedFor = 10_000

/** An identity, or the error that refuses it. */
interface KnownIdentity {
  readonly until: number
  readonly found: Identity | OciError
}

/** `scopes`: of a trow access token. */
type VerifiedCredential = Verified & { readonly scopes?: readonly string[] }

const nobody: Identity = { principal: anonymous, bounds: undefined }

/** Authentication and authorisation of one worker: answers of the authority are cached until they expire. */
export class WorkerAccess implements Access {
  readonly #parts: WorkerAccessParts
  readonly #credentials = new RecentCache<string, KnownIdentity>(credentialLimit)
  readonly #asked = new Map<string, Promise<Identity>>()
  readonly #identities = new WeakMap<Principal, string>()
  readonly #certificates = new WeakMap<ClientCertificate, Identity>()
  readonly #nodes = new RecentCache<string, KnownIdentity>(nodeLimit)
  readonly #decisions = new RecentCache<string, { readonly until: number; readonly decision: Decision }>(
    decisionLimit,
  )
  /** Counts `forget`: an answer that was asked for before is not kept after it. */
  #epoch = 0

  constructor(parts: WorkerAccessParts) {
    this.#parts = parts
  }

  /** Drops everything that is known of credentials and rights: users, rules or issuers have changed. */
  forget(): void {
    this.#epoch++
    this.#credentials.clear()
    this.#asked.clear()
    this.#nodes.clear()
    this.#decisions.clear()
  }

  identify({ authorization, certificate, address }: PresentedCredentials): Identity | Promise<Identity> {
    if (authorization === undefined) {
      return certificate === undefined ? nobody : this.#fromCertificate(certificate)
    }
    const key = this.#keyOf(authorization, address)
    const known = this.#credentials.get(key)
    if (known !== undefined && known.until > this.#parts.now()) return orThrow(known.found)
    let asked = this.#asked.get(key)
    if (asked === undefined) {
      const verifying = this.#verify(key, parseAuthorization(authorization), address).finally(() => {
        if (this.#asked.get(key) === verifying) this.#asked.delete(key)
      })
      asked = verifying
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
    // Not cached: a catalogue asks for each name once, which would push out the decisions that pulls and
    // pushes repeat.
    if (action === 'list') return this.#decideListing(principal, repository)
    const key = `${this.#identityOf(principal)}\n${action}\n${repository}`
    const known = this.#decisions.get(key)
    if (known !== undefined && known.until > this.#parts.now()) return known.decision
    const ruled = this.#parts.rules().decide(principal, action, repository)
    if (ruled.kind !== 'silent' || !principal.reviewable || !this.#parts.reviews) {
      const decision = { allowed: ruled.kind === 'allowed', reason: ruled.reason }
      // A change of the rules empties the cache.
      this.#decisions.set(key, { decision, until: Infinity })
      return decision
    }
    return this.#review(key, this.#parts.authority.review(principal, action, repository))
  }

  #decideListing(principal: Principal, repository: RepositoryName): Decision | Promise<Decision> {
    const ruled = this.#parts.rules().decide(principal, 'list', repository)
    if (ruled.kind === 'silent' && principal.reviewable && this.#parts.reviews)
      return this.#reviewNamespace(principal, repository)
    return { allowed: ruled.kind === 'allowed', reason: ruled.reason }
  }

  decideAudit(principal: Principal): Decision | Promise<Decision> {
    const named = this.#parts.auditReaders().decide(principal)
    if (named.allowed || principal.scope !== undefined || !principal.reviewable || !this.#parts.reviews)
      return named
    const key = `${this.#identityOf(principal)}\naudit`
    const known = this.#decisions.get(key)
    if (known !== undefined && known.until > this.#parts.now()) return known.decision
    return this.#review(key, this.#parts.authority.reviewAudit(principal))
  }

  decideAdmission(principal: Principal, right: AdmissionRight): Decision | Promise<Decision> {
    const isAccount = principal.kind === 'kubernetes' && principal.name.startsWith('system:serviceaccount:')
    if (!isAccount || !this.#parts.reviews)
      return { allowed: false, reason: 'only a service account of the cluster may' }
    const key = `${this.#identityOf(principal)}\nadmission ${right}`
    const known = this.#decisions.get(key)
    if (known !== undefined && known.until > this.#parts.now()) return known.decision
    return this.#review(key, this.#parts.authority.reviewAdmission(principal, right))
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
    const epoch = this.#epoch
    const review = await asked
    if (review.kind === 'unavailable') throw unavailable(review.reason, review.retryAfter)
    const decision = { allowed: review.allowed, reason: review.reason, isReviewed: true }
    if (epoch === this.#epoch) this.#decisions.set(key, { decision, until: review.until })
    return decision
  }

  async #verify(key: string, credential: Credential | undefined, address: string): Promise<Identity> {
    if (credential === undefined) throw badHeader()
    const epoch = this.#epoch
    const isOwn = credential.kind === 'bearer' && this.#parts.tokens.claims(credential.token)
    const verified: VerifiedCredential = isOwn
      ? await this.#judgeOwn(credential.token)
      : await this.#parts.authority.verify(credential, address)
    if (verified.ok) {
      const { principal, until } = verified
      const bounds = verified.scopes === undefined ? undefined : new TokenBounds(verified.scopes)
      const identity = { principal, bounds }
      if (epoch === this.#epoch) this.#credentials.set(key, { found: identity, until })
      return identity
    }
    const error = refusal(verified)
    // A refused password is not cached, so that every attempt is counted. A refused token is verified again
    // only after `until`.
    if (credential.kind === 'bearer' && verified.kind === 'refused' && epoch === this.#epoch)
      this.#credentials.set(key, { found: error, until: verified.until })
    throw error
  }

  /**
   * trow's own tokens are verified in the worker. A node's token is refused as soon as the node is gone, not
   * only after its expiry.
   */
  async #judgeOwn(token: string): Promise<VerifiedCredential> {
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
    // TLS has verified the certificate when the connection began, which may be an hour ago.
    if (expiresAt <= this.#parts.now())
      throw notAccepted(notAcceptedMessage, 'the client certificate has expired')
    if (kind !== 'node-certificate' || !this.#parts.reviews) return identity
    const key = nodeKeyOf(identity.principal)
    const known = this.#nodes.get(key)
    if (known === undefined || known.until <= this.#parts.now()) return this.#askForNode(key, identity)
    // The cached identity may have another certificate's serial, so this one's identity is returned.
    return known.found instanceof OciError ? orThrow(known.found) : identity
  }

  async #askForNode(key: string, identity: Identity): Promise<Identity> {
    const epoch = this.#epoch
    const verified = await this.#parts.authority.verifyNode(identity.principal)
    const found = verified.ok ? identity : refusal(verified)
    if (epoch === this.#epoch) this.#nodes.set(key, { found, until: verified.until })
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

  /** Keyed by address too: a cached success must not bypass another address's brute-force delay. */
  #keyOf(authorization: string, address: string): string {
    const hmac = createHmac('sha256', this.#parts.cacheKey)
    return hmac.update(`${address} ${authorization}`).digest('base64')
  }
}

function orThrow(found: Identity | OciError): Identity {
  if (found instanceof OciError) throw found
  return found
}

/** All certificates of one node that were issued to one account are decided alike. */
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

/** Never 401: clients drop their credentials on it. */
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
