import type { Action, Principal } from '../access/principal.ts'
import type { TokenBounds } from '../access/token-bounds.ts'
import type { AuditedAccess } from '../audit/trail.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Requester } from '../registry/requester.ts'

/** The caller of a request and its rights, for handlers that concern more than the path's repository. */
export interface Caller extends Requester {
  readonly principal: Principal
  /** Of the trow access token that the client sent. Undefined: the client sent the credential itself. */
  readonly bounds: TokenBounds | undefined
  /** Findings of policies on the request so far, for the audit record. */
  readonly policy: AuditedAccess['policy']
  /** The same findings as warnings for the client, one line each. */
  readonly warnings: readonly string[]
  /** Whether a policy has refused the request; the denial is then in the audit log. */
  readonly isRefused: boolean
  /** For repositories other than the path's: the source of a mount, the entries of the catalogue. */
  can(action: Action, repository: RepositoryName): boolean | Promise<boolean>
}
