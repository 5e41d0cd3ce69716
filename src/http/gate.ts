import type { Access, Decision, Identity, TokenService } from '../access/access.ts'
import type { NodeCertificates } from '../access/node-certificates.ts'
import { anonymous, type Action, type Principal } from '../access/principal.ts'
import type { TokenBounds } from '../access/token-bounds.ts'
import type { AuditedAccess, AuditTrail } from '../audit/trail.ts'
import { OciError } from '../oci/oci-error.ts'
import { isRepositoryName, type RepositoryName } from '../oci/repository-name.ts'
import { AdmittedCaller } from './admitted-caller.ts'
import { describeAccess } from './audited-access.ts'
import { challenged, scopeOf } from './challenge.ts'
import { isAudited, referenceOf, resolvedDigest } from './audited-reply.ts'
import type { RegistryRequest } from './registry-request.ts'
import type { Reply } from './reply.ts'
import type { GivenValues, Route } from './route.ts'
import type { Admission } from './surface.ts'
import type { TokenRealm } from './token-realm.ts'

/** Undefined parts: access is open, or nothing is audited. */
export interface GateOptions {
  readonly access: AccessParts | undefined
  readonly trail: AuditTrail | undefined
}

export interface AccessParts {
  readonly access: Access
  readonly tokens: TokenService
  readonly realm: TokenRealm
  /** The audience of our tokens. */
  readonly service: string
  /** Undefined: this registry issues none. */
  readonly nodeCertificates: NodeCertificates | undefined
  /** Service accounts that may ask for them: `NAMESPACE:NAME`. */
  readonly nodeAgents: readonly string[]
}

const openDecision: Decision = { allowed: true, reason: 'access is open' }
const anybody: Identity = { principal: anonymous, bounds: undefined }

/** Says who a request is from and whether it may go on: asked once, before anything is looked up. */
export class Gate {
  readonly #access: AccessParts | undefined
  readonly #trail: AuditTrail | undefined

  constructor({ access, trail }: GateOptions) {
    this.#access = access
    this.#trail = trail
  }

  /** Sets the request's caller. Throws OciError UNAUTHORIZED, DENIED, TOOMANYREQUESTS or UNAVAILABLE. */
  admit(admission: Admission): void | Promise<void> {
    const { request, route } = admission
    if (route.right === 'none') return
    if (this.#access === undefined) {
      if (route.right === 'audit') throw nobodyIsKnown()
      return this.#enter(admission, anybody, openDecision)
    }
    let identity: Identity | Promise<Identity>
    try {
      identity = this.#access.access.identify(request.shown)
    } catch (error) {
      return this.#unknown(error, admission)
    }
    if (!(identity instanceof Promise)) return this.#authorise(admission, identity)
    return identity.then(
      (known) => this.#authorise(admission, known),
      (error: unknown) => this.#unknown(error, admission),
    )
  }

  /** Tells the audit of what was let in and has been answered. */
  answered({ request, route, values }: Admission, reply: Reply): void {
    const { caller } = request
    if (this.#trail === undefined || caller === undefined || !isAudited(request.method, reply)) return
    // That is on record, as a denial.
    if (caller.isRefused) return
    this.#trail.allowed(
      describeAccess(request, route.path, {
        actor: caller.principal,
        action: route.right,
        reason: caller.reason,
        repository: values.name,
        reference: referenceOf(values),
        digest: resolvedDigest(reply),
        status: reply.status,
        policy: caller.policy,
      }),
    )
  }

  #authorise(admission: Admission, identity: Identity): void | Promise<void> {
    const { request, route, values } = admission
    const { access } = this.#access as AccessParts
    const { principal, bounds } = identity
    if (bounds !== undefined && !isWithin(bounds, admission)) throw this.#challenge(tooNarrow(), admission)
    if (route.right === 'login' || (route.right === 'list' && values.name === undefined)) {
      // Nobody in particular: a client that could say more is asked to.
      if (principal.kind === 'anonymous' && request.shown.authorization === undefined)
        throw this.#challenge(loginNeeded(), admission)
      return this.#enter(admission, identity, { allowed: true, reason: 'authenticated' })
    }
    // `admit` has let in what needs no right.
    const decision =
      route.right === 'audit'
        ? access.decideAudit(principal)
        : access.decide(principal, route.right as Action, named(values))
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
        : denied(principal, route, values.name)
    // The challenge that answers a request without credentials is no denial.
    if (principal.kind === 'anonymous' && request.shown.authorization === undefined) throw error
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

  /** A denial is on disk before its reply. */
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
    const { realm, service } = this.#access as AccessParts
    const source = sourceOf(request)
    const shown = request.shown.authorization
    const reason = error.detail === undefined ? 'insufficient_scope' : 'invalid_token'
    return challenged(error, {
      realm: request.realm(realm),
      service,
      scope: scopeOf(route.right, values.name, source),
      ...(shown === undefined || !/^bearer /i.test(shown) ? {} : { error: reason }),
    })
  }

  #enter({ request, route }: Admission, identity: Identity, { reason }: Decision): void {
    request.caller = new AdmittedCaller(request, route, {
      identity,
      reason,
      access: this.#access?.access,
      trail: this.#trail,
    })
  }
}

/** Whether an access token was asked for with what the request needs of it. */
function isWithin(bounds: TokenBounds, { request, route, values }: Admission): boolean {
  const { name } = values
  switch (route.right) {
    case 'list':
      // Of one repository: the scope that the challenge names.
      return name === undefined ? bounds.allowsCatalogue : bounds.allows('pull', name)
    case 'audit':
      return bounds.allowsAudit
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

/** The repository of the path. A route that asks for a right on one and names none is a bug of its table. */
function named({ name }: GivenValues): RepositoryName {
  if (name === undefined) throw new TypeError('a path without a repository asks for a right on one')
  return name
}

/** The repository that a blob is to be mounted from. */
function sourceOf(request: RegistryRequest): RepositoryName | undefined {
  const from = request.hasQuery ? request.query.get('from') : null
  return from !== null && isRepositoryName(from) ? from : undefined
}

/** No denial: the client asks for a token with the scope that the challenge names. */
function tooNarrow(): OciError {
  return new OciError('UNAUTHORIZED', 'the token was not asked for with the scope that this needs')
}

function loginNeeded(): OciError {
  return new OciError('UNAUTHORIZED', 'authentication is required')
}

/** Runtimes show the message and no detail: it is what stands in the event of a pod. */
function denied({ name }: Principal, { right }: Route, repository: string | undefined): OciError {
  if (right === 'audit') {
    const message = `${name} has no right to read the audit`
    return new OciError('DENIED', message, {
      detail: `${message}: neither audit-readers of the registry nor RBAC of the cluster (list on audit.registry.trow.io) gives it`,
    })
  }
  const message = `${name} has no right to ${right} ${repository ?? ''}`.trimEnd()
  const detail = `${message}: neither a rule of the registry nor RBAC of the cluster gives it`
  return new OciError('DENIED', message, { detail })
}

function nobodyIsKnown(): OciError {
  return new OciError('DENIED', 'this registry asks nobody who they are, so it shows nobody its audit', {
    detail: 'trow audit --data FOLDER reads it on the machine; --auth on lets the registry ask',
  })
}
