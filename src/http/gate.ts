import type { Access, Decision, Identity, TokenService } from '../access/access.ts'
import type { NodeCertificates } from '../access/node-certificates.ts'
import { anonymous, type Action, type Principal } from '../access/principal.ts'
import type { TokenBounds } from '../access/token-bounds.ts'
import type { AuditedAccess } from '../audit/event.ts'
import type { AuditTrail } from '../audit/trail.ts'
import { OciError } from '../oci/oci-error.ts'
import { isRepositoryName, type RepositoryName } from '../oci/repository-name.ts'
import type { Caller } from './caller.ts'
import { challenged, scopeOf } from './challenge.ts'
import { isAudited, referenceOf, resolvedDigest } from './audited-reply.ts'
import type { RegistryRequest } from './registry-request.ts'
import type { Reply } from './reply.ts'
import type { PathValues, Route } from './route.ts'
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
  admit(request: RegistryRequest, route: Route, values: PathValues): void | Promise<void> {
    if (route.right === 'none') return
    if (this.#access === undefined) {
      if (route.right === 'audit') throw nobodyIsKnown()
      return this.#enter(request, route, anybody, openDecision)
    }
    let identity: Identity | Promise<Identity>
    try {
      identity = this.#access.access.identify(request.shown)
    } catch (error) {
      return this.#unknown(error, request, route, values)
    }
    if (!(identity instanceof Promise)) return this.#authorise(identity, request, route, values)
    return identity.then(
      (known) => this.#authorise(known, request, route, values),
      (error: unknown) => this.#unknown(error, request, route, values),
    )
  }

  /** Tells the audit of what was let in and has been answered. */
  answered(request: RegistryRequest, route: Route, values: PathValues, reply: Reply): void {
    const { caller } = request
    if (this.#trail === undefined || caller === undefined || !isAudited(request.method, reply)) return
    this.#trail.allowed(
      describe(request, route, {
        principal: caller.principal,
        action: route.right,
        reason: caller.reason,
        repository: values.name,
        reference: referenceOf(values),
        digest: resolvedDigest(reply),
        status: reply.status,
      }),
    )
  }

  #authorise(
    identity: Identity,
    request: RegistryRequest,
    route: Route,
    values: PathValues,
  ): void | Promise<void> {
    const { access } = this.#access as AccessParts
    const { principal, bounds } = identity
    if (bounds !== undefined && !isWithin(bounds, request, route, values))
      throw this.#challenge(tooNarrow(), request, route, values)
    if (route.right === 'login' || (route.right === 'list' && values.name === undefined)) {
      // Nobody in particular: a client that could say more is asked to.
      if (principal.kind === 'anonymous' && request.shown.authorization === undefined)
        throw this.#challenge(loginNeeded(), request, route, values)
      return this.#enter(request, route, identity, { allowed: true, reason: 'authenticated' })
    }
    const decision =
      route.right === 'audit'
        ? access.decideAudit(principal)
        : access.decide(principal, route.right as Action, values.name)
    if (!(decision instanceof Promise)) return this.#settle(decision, identity, request, route, values)
    return decision.then((made) => this.#settle(made, identity, request, route, values))
  }

  #settle(
    decision: Decision,
    identity: Identity,
    request: RegistryRequest,
    route: Route,
    values: PathValues,
  ): void | Promise<void> {
    if (decision.allowed) return this.#enter(request, route, identity, decision)
    const { principal } = identity
    const { kind } = principal
    const error =
      kind === 'anonymous'
        ? this.#challenge(loginNeeded(), request, route, values)
        : denied(principal, route, values.name)
    // The challenge that answers a request without credentials is no denial.
    if (kind === 'anonymous' && request.shown.authorization === undefined) throw error
    return this.#refuse(error, request, route, { principal, reason: decision.reason, values })
  }

  #unknown(error: unknown, request: RegistryRequest, route: Route, values: PathValues): void | Promise<void> {
    if (!(error instanceof OciError)) throw error
    if (error.code === 'UNAVAILABLE') throw error
    const told = error.code === 'UNAUTHORIZED' ? this.#challenge(error, request, route, values) : error
    const principal: Principal = { ...anonymous, name: request.claimedName ?? anonymous.name, groups: [] }
    const reason = typeof error.detail === 'string' ? error.detail : error.message
    return this.#refuse(told, request, route, { principal, reason, values, action: 'auth' })
  }

  /** A denial is on disk before its reply. */
  async #refuse(
    error: OciError,
    request: RegistryRequest,
    route: Route,
    denial: {
      readonly principal: Principal
      readonly reason: string
      readonly values: PathValues
      readonly action?: string
    },
  ): Promise<never> {
    const { principal, reason, values, action = route.right } = denial
    await this.#trail?.denied(
      describe(request, route, {
        principal,
        action,
        reason,
        repository: values.name,
        reference: referenceOf(values),
        digest: undefined,
        status: error.status,
      }),
    )
    throw error
  }

  #challenge(error: OciError, request: RegistryRequest, route: Route, values: PathValues): OciError {
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

  #enter(request: RegistryRequest, route: Route, identity: Identity, { reason }: Decision): void {
    request.caller = new AdmittedCaller(request, route, {
      identity,
      reason,
      access: this.#access?.access,
      trail: this.#trail,
    })
  }
}

class AdmittedCaller implements Caller {
  readonly principal: Principal
  readonly bounds: TokenBounds | undefined
  /** Why the request was let in. */
  readonly reason: string
  readonly #request: RegistryRequest
  readonly #route: Route
  readonly #access: Access | undefined
  readonly #trail: AuditTrail | undefined

  constructor(
    request: RegistryRequest,
    route: Route,
    parts: {
      readonly identity: Identity
      readonly reason: string
      readonly access: Access | undefined
      readonly trail: AuditTrail | undefined
    },
  ) {
    this.principal = parts.identity.principal
    this.bounds = parts.identity.bounds
    this.reason = parts.reason
    this.#request = request
    this.#route = route
    this.#access = parts.access
    this.#trail = parts.trail
  }

  can(action: Action, repository: RepositoryName): boolean | Promise<boolean> {
    if (this.#access === undefined) return true
    if (this.bounds?.allows(action, repository) === false) return false
    const decision = this.#access.decide(this.principal, action, repository)
    return decision instanceof Promise ? decision.then(({ allowed }) => allowed) : decision.allowed
  }

  note({ action, repository, reference, status }: Parameters<Caller['note']>[0]): ReturnType<Caller['note']> {
    return this.#trail?.note(
      describe(this.#request, this.#route, {
        principal: this.principal,
        action,
        reason: this.reason,
        repository,
        reference,
        digest: undefined,
        status,
      }),
    )
  }
}

function describe(
  request: RegistryRequest,
  route: Route,
  what: {
    readonly principal: Principal
    readonly action: string
    readonly reason: string
    readonly repository: string | undefined
    readonly reference: string | undefined
    readonly digest: string | undefined
    readonly status: number
  },
): AuditedAccess {
  return {
    action: what.action,
    reason: what.reason,
    actor: what.principal,
    repository: what.repository,
    reference: what.reference,
    digest: what.digest,
    status: what.status,
    address: request.shown.address,
    userAgent: request.header('user-agent') ?? '',
    requestId: request.id,
    method: request.method,
    route: route.path,
  }
}

/** Whether an access token was asked for with what the request needs of it. */
function isWithin(
  bounds: TokenBounds,
  request: RegistryRequest,
  route: Route,
  { name }: PathValues,
): boolean {
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
      return bounds.allows(route.right, name) && (source === undefined || bounds.allows('pull', source))
    }
    case 'login':
    case 'none':
      return true
  }
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
