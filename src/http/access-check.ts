import type { Access, Decision, Identity, TokenService } from '../access/access.ts'
import type { NodeCertificates } from '../access/node-certificates.ts'
import { anonymous, type Action, type Principal } from '../access/principal.ts'
import type { TokenBounds } from '../access/token-bounds.ts'
import type { AuditedAccess, AuditTrail } from '../audit/trail.ts'
import { OciError } from '../oci/oci-error.ts'
import { isRepositoryName, type RepositoryName } from '../oci/repository-name.ts'
import { AdmittedCaller } from './admitted-caller.ts'
import { describeAccess } from './audited-access.ts'
import { referenceOf } from './audited-reply.ts'
import { challenged, scopeOf } from './challenge.ts'
import type { ServerRequest } from './server-request.ts'
import type { GivenValues, Route } from './route.ts'
import type { Admission } from './surface.ts'
import type { TokenRealm } from './token-realm.ts'

export interface AccessParts {
  readonly access: Access
  readonly tokens: TokenService
  readonly realm: TokenRealm
  /** The audience of trow's tokens. */
  readonly service: string
  /** Undefined: this registry issues no node certificates. */
  readonly nodeCertificates: NodeCertificates | undefined
  /** Service accounts that may request node certificates: `NAMESPACE:NAME`. */
  readonly nodeAgents: readonly string[]
}

/** Admits the callers of a registry that asks who they are. */
export class AccessCheck {
  readonly #parts: AccessParts
  readonly #trail: AuditTrail | undefined

  constructor(parts: AccessParts, trail: AuditTrail | undefined) {
    this.#parts = parts
    this.#trail = trail
  }

  /** As `Gate.admit`, for a route whose right is not `none`. */
  admit(admission: Admission): void | Promise<void> {
    let identity: Identity | Promise<Identity>
    try {
      identity = this.#parts.access.identify(admission.request.presented)
    } catch (error) {
      return this.#unknown(error, admission)
    }
    if (!(identity instanceof Promise)) return this.#authorise(admission, identity)
    return identity.then(
      (known) => this.#authorise(admission, known),
      (error: unknown) => this.#unknown(error, admission),
    )
  }

  #authorise(admission: Admission, identity: Identity): void | Promise<void> {
    const { request, route, values } = admission
    const { access } = this.#parts
    const { principal, bounds } = identity
    request.identified = principal
    if (bounds !== undefined && !isWithin(bounds, admission)) throw this.#challenge(tooNarrow(), admission)
    if (route.right === 'login' || (route.right === 'list' && values.name === undefined)) {
      // An anonymous request without a token is challenged, so that a client with credentials sends them.
      if (principal.kind === 'anonymous' && request.presented.authorization === undefined)
        throw this.#challenge(loginNeeded(), admission)
      return this.#enter(admission, identity, { allowed: true, reason: 'authenticated' })
    }
    // `admit` has handled the right `none`; the rest are actions.
    const decision = decideBy(access, principal, admission)
    if (!(decision instanceof Promise)) return this.#settle(admission, identity, decision)
    return decision.then((made) => this.#settle(admission, identity, made))
  }

  #settle(admission: Admission, identity: Identity, decision: Decision): void | Promise<void> {
    if (decision.allowed) return this.#enter(admission, identity, decision)
    const { request, route, values } = admission
    const { principal } = identity
    const error =
      principal.kind === 'anonymous'
        ? this.#challenge(loginNeeded(), admission)
        : denied(principal, route, { repository: values.name, isReviewed: decision.isReviewed === true })
    // A challenge to a request without credentials is not a denial.
    if (principal.kind === 'anonymous' && request.presented.authorization === undefined) throw error
    return this.#refuse(error, admission, { actor: principal, action: route.right, reason: decision.reason })
  }

  #unknown(error: unknown, admission: Admission): void | Promise<void> {
    if (!(error instanceof OciError)) throw error
    if (error.code === 'UNAVAILABLE') throw error
    const told = error.code === 'UNAUTHORIZED' ? this.#challenge(error, admission) : error
    const name = admission.request.claimedName ?? anonymous.name
    const reason = typeof error.detail === 'string' ? error.detail : error.message
    return this.#refuse(told, admission, {
      actor: { ...anonymous, name, groups: [] },
      action: 'auth',
      reason,
    })
  }

  /** The denial is recorded on disk before the reply is sent. */
  async #refuse(
    error: OciError,
    { request, route, values }: Admission,
    denial: Pick<AuditedAccess, 'actor' | 'action' | 'reason'>,
  ): Promise<never> {
    await this.#trail?.denied(
      describeAccess(request, route.path, {
        ...denial,
        repository: values.name,
        reference: referenceOf(values),
        status: error.status,
      }),
    )
    throw error
  }

  #challenge(error: OciError, { request, route, values }: Admission): OciError {
    const { realm, service } = this.#parts
    const source = sourceOf(request)
    const shown = request.presented.authorization
    const reason = error.detail === undefined ? 'insufficient_scope' : 'invalid_token'
    return challenged(error, {
      realm: request.realm(realm),
      service,
      scope: scopeOf(route.right, values.name, source),
      ...(shown === undefined || !/^bearer /i.test(shown) ? {} : { error: reason }),
    })
  }

  #enter({ request, route }: Admission, identity: Identity, { reason }: Decision): void {
    const { access } = this.#parts
    request.caller = new AdmittedCaller(request, route, { identity, reason, access, trail: this.#trail })
  }
}

function decideBy(
  access: Access,
  principal: Principal,
  { route: { right }, values }: Admission,
): Decision | Promise<Decision> {
  if (right === 'audit') return access.decideAudit(principal)
  if (right === 'facts' || right === 'records') return access.decideAdmission(principal, right)
  return access.decide(principal, right as Action, named(values))
}

/** Whether the scopes of an access token cover the request. */
function isWithin(bounds: TokenBounds, { request, route, values }: Admission): boolean {
  const { name } = values
  switch (route.right) {
    case 'list':
      // Listing one repository needs the scope that the challenge names: `pull`.
      return name === undefined ? bounds.allowsCatalogue : bounds.allows('pull', name)
    case 'audit':
      return bounds.allowsAudit
    case 'facts':
    case 'records':
      // The admission pods send the credential itself.
      return false
    case 'pull':
    case 'push':
    case 'delete': {
      const source = route.right === 'push' ? sourceOf(request) : undefined
      return (
        bounds.allows(route.right, named(values)) && (source === undefined || bounds.allows('pull', source))
      )
    }
    case 'login':
    case 'none':
      return true
  }
}

/**
 * The repository of the path. A route with a right on a repository but no repository in its path is a bug of
 * the route table.
 */
function named({ name }: GivenValues): RepositoryName {
  if (name === undefined) throw new TypeError('a path without a repository asks for a right on one')
  return name
}

/** The repository that a blob is to be mounted from. */
function sourceOf(request: ServerRequest): RepositoryName | undefined {
  const from = request.hasQuery ? request.query.get('from') : null
  return from !== null && isRepositoryName(from) ? from : undefined
}

/** Not a denial: the client requests a token with the scope that the challenge names. */
function tooNarrow(): OciError {
  return new OciError('UNAUTHORIZED', 'the token was not asked for with the scope that this needs')
}

function loginNeeded(): OciError {
  return new OciError('UNAUTHORIZED', 'authentication is required')
}

/**
 * Container runtimes show the message without the detail: the message appears in the pod's event. Other clients
 * show both, so that the detail does not repeat it.
 */
function denied(
  { name }: Principal,
  { right }: Route,
  { repository, isReviewed }: { readonly repository: string | undefined; readonly isReviewed: boolean },
): OciError {
  if (right === 'audit') {
    const message = `${name} has no right to read the audit`
    return new OciError('DENIED', message, {
      detail: isReviewed
        ? 'neither audit-readers of the registry nor RBAC of the cluster (list on audit.registry.trow.io) gives it'
        : 'audit-readers of the registry do not name it',
    })
  }
  if (right === 'facts' || right === 'records') {
    const message = `${name} is no admission pod`
    const verb = right === 'facts' ? 'get' : 'create'
    return new OciError('DENIED', message, {
      detail: `RBAC of the cluster must allow its service account to ${verb} admission.registry.trow.io`,
    })
  }
  const message = `${name} has no right to ${right} ${repository ?? ''}`.trimEnd()
  const detail = isReviewed
    ? 'neither a rule of the registry nor RBAC of the cluster gives it'
    : 'no rule of the registry gives it'
  return new OciError('DENIED', message, { detail })
}
