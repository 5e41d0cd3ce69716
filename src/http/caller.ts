import type { Action, Principal } from '../access/principal.ts'
import type { TokenBounds } from '../access/token-bounds.ts'
import type { ChangeNote } from '../metadata/outbox.ts'
import type { RepositoryName } from '../oci/repository-name.ts'

/** Who a request is from, and what else they may do: for handlers that concern more than the path's repository. */
export interface Caller {
  readonly principal: Principal
  /** Of the access token of ours that was shown; undefined: the credential itself was. */
  readonly bounds: TokenBounds | undefined
  /** Why the request was let in. */
  readonly reason: string
  /** Asked for other repositories than the path's: the source of a mount, the entries of the catalogue. */
  can(action: Action, repository: RepositoryName): boolean | Promise<boolean>
  /** To be given to the registry with a change; undefined where nothing is audited. */
  note(change: ChangeWords): ChangeNote | undefined
}

/** What the audit is told of a change by the one who asks for it. */
export interface ChangeWords {
  readonly action: 'push' | 'delete' | 'mount'
  readonly repository: RepositoryName
  /** As typed: a tag or a digest. */
  readonly reference: string
  /** The status that answers the change. */
  readonly status: number
}

/** The note of a change that this request asks for. */
export function noteOf(
  { caller }: { readonly caller: Caller | undefined },
  change: ChangeWords,
): ChangeNote | undefined {
  return caller?.note(change)
}
