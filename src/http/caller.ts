import type { Action, Principal } from '../access/principal.ts'
import type { TokenBounds } from '../access/token-bounds.ts'
import type { AuditedAccess } from '../audit/trail.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Requester } from '../registry/requester.ts'

/** Who a request is from, and what else they may do: for handlers that concern more than the path's repository. */
export interface Caller extends Requester {
  readonly principal: Principal
  /** Of the access token of ours that was shown; undefined: the credential itself was. */
  readonly bounds: TokenBounds | undefined
  /** What policies have said of the request so far, for the audit. */
  readonly policy: AuditedAccess['policy']
  /** Of the same for the client, a line each. */
  readonly warnings: readonly string[]
  /** Whether policies have refused it, which is on record then. */
  readonly isRefused: boolean
  /** Asked for other repositories than the path's: the source of a mount, the entries of the catalogue. */
  can(action: Action, repository: RepositoryName): boolean | Promise<boolean>
}
