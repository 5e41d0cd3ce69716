import type { Access, Identity } from '../access/access.ts'
import type { Action, Principal } from '../access/principal.ts'
import type { TokenBounds } from '../access/token-bounds.ts'
import type { AuditTrail } from '../audit/trail.ts'
import type { EncodedAuditRecord } from '../metadata/outbox.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { AuditedAccess } from '../audit/trail.ts'
import type { RequestedChange, Judgement, Refused } from '../registry/requester.ts'
import { describeAccess } from './audited-access.ts'
import type { Caller } from './caller.ts'
import type { ServerRequest } from './server-request.ts'
import type { Route } from './route.ts'

const none: readonly string[] = []

/** The caller of a request that the gate has admitted. */
export class AdmittedCaller implements Caller {
  readonly principal: Principal
  readonly bounds: TokenBounds | undefined
  /** Why the request was admitted. */
  readonly reason: string
  readonly #request: ServerRequest
  readonly #route: Route
  readonly #access: Access | undefined
  readonly #trail: AuditTrail | undefined
  #judgement: Judgement | undefined
  #isRefused = false

  constructor(
    request: ServerRequest,
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

  get name(): string {
    return this.principal.name
  }

  auditRecord({ action, repository, reference }: RequestedChange): EncodedAuditRecord | undefined {
    return this.#trail?.auditRecord(
      describeAccess(this.#request, this.#route.path, {
        actor: this.principal,
        action,
        reason: this.reason,
        repository,
        reference,
        // The status of the reply to a successful change.
        status: action === 'delete' ? 202 : 201,
        policy: this.policy,
      }),
    )
  }

  judged(judgement: Judgement): void {
    this.#judgement = judgement
  }

  async refused(refusal: Refused): Promise<string | undefined> {
    this.#judgement = refusal
    const id = await this.#trail?.denied(
      describeAccess(this.#request, this.#route.path, {
        actor: this.principal,
        action: this.#route.right,
        reason: refusal.reason,
        repository: refusal.repository,
        reference: refusal.reference,
        status: 403,
        policy: refusal.findings,
      }),
    )
    this.#isRefused = true
    return id
  }

  get policy(): AuditedAccess['policy'] {
    return this.#judgement?.findings
  }

  get warnings(): readonly string[] {
    return this.#judgement?.warnings ?? none
  }

  get isRefused(): boolean {
    return this.#isRefused
  }
}
