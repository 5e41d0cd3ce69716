import type { Identity } from '../access/access.ts'
import { anonymous } from '../access/principal.ts'
import type { AuditTrail } from '../audit/trail.ts'
import { OciError } from '../oci/oci-error.ts'
import { AccessCheck, type AccessParts } from './access-check.ts'
import { AdmittedCaller } from './admitted-caller.ts'
import { describeAccess } from './audited-access.ts'
import { isAudited, referenceOf, resolvedDigest } from './audited-reply.ts'
import type { Reply } from './reply.ts'
import type { Route } from './route.ts'
import type { Admission } from './surface.ts'

/** `access` undefined: access is open. `trail` undefined: nothing is audited. */
export interface GateOptions {
  readonly access: AccessParts | undefined
  readonly trail: AuditTrail | undefined
}

const anybody: Identity = { principal: anonymous, bounds: undefined }

/**
 * Identifies the caller of a request and decides whether the request is admitted, once and before any
 * look-up.
 */
export class Gate {
  /** Undefined: access is open. */
  readonly #check: AccessCheck | undefined
  readonly #trail: AuditTrail | undefined

  constructor({ access, trail }: GateOptions) {
    this.#check = access && new AccessCheck(access, trail)
    this.#trail = trail
  }

  /** Sets the request's caller. Throws OciError UNAUTHORIZED, DENIED, TOOMANYREQUESTS or UNAVAILABLE. */
  admit(admission: Admission): void | Promise<void> {
    const { request, route } = admission
    if (route.right === 'none') return
    if (this.#check !== undefined) return this.#check.admit(admission)
    if (isOfTheInstall(route)) throw nobodyIsKnown(route)
    request.caller = new AdmittedCaller(request, route, {
      identity: anybody,
      reason: 'access is open',
      access: undefined,
      trail: this.#trail,
    })
  }

  /** Writes the audit record of an admitted request with its reply. */
  answered({ request, route, values }: Admission, reply: Reply): void {
    const { caller } = request
    if (this.#trail === undefined || caller === undefined || !isAudited(request.method, reply)) return
    // The refusal is already recorded as a denial.
    if (caller.isRefused) return
    // Every review of the API server would be an access: what comes of it is recorded.
    if (route.right === 'facts' || route.right === 'records') return
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
}

/** Rights that nobody has where nobody is asked who they are. */
function isOfTheInstall({ right }: Route): boolean {
  return right === 'audit' || right === 'facts' || right === 'records'
}

function nobodyIsKnown({ right }: Route): OciError {
  if (right !== 'audit')
    return new OciError('DENIED', 'this registry asks nobody who they are, so nobody is an admission pod')
  return new OciError('DENIED', 'this registry asks nobody who they are, so it shows nobody its audit', {
    detail: 'trow audit --data FOLDER reads it on the machine; --auth on lets the registry ask',
  })
}
