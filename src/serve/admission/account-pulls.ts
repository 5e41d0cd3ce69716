import type { PullRights } from '../../admission/tenant-rights.ts'
import type { Reviewed } from '../../access/authority.ts'
import { anonymous, type Action, type Principal } from '../../access/principal.ts'
import type { Rules } from '../../access/rules.ts'
import { inTime } from '../../in-time.ts'
import { isRepositoryName, type RepositoryName } from '../../oci/repository-name.ts'

export interface AccountPullsParts {
  readonly rules: Pick<Rules, 'decide'>
  readonly reviews: {
    review(principal: Principal, action: Action, repository: RepositoryName): Promise<Reviewed>
  }
}

const serviceAccount = /^system:serviceaccount:([^:]+):[^:]+$/

/**
 * Whether a service account may pull, by the authorisers of a pull: the rules of trow.yaml, then a review by the cluster. What
 * anybody may pull, it may too: a client without a credential is served.
 */
export class AccountPulls implements PullRights {
  readonly #parts: AccountPullsParts

  constructor(parts: AccountPullsParts) {
    this.#parts = parts
  }

  async mayPull(account: string, repository: string, signal: AbortSignal): Promise<boolean> {
    // Of a name that no repository can have there is nothing to pull.
    if (!isRepositoryName(repository)) return false
    let unknown: string | undefined
    for (const principal of [principalOf(account), anonymous]) {
      const ruled = this.#parts.rules.decide(principal, 'pull', repository)
      if (ruled.kind === 'allowed') return true
      if (ruled.kind === 'denied') continue
      const reviewed = await inTime(
        this.#parts.reviews.review(principal, 'pull', repository),
        signal,
        tooLate,
      )
      if (reviewed.kind === 'unavailable') unknown = reviewed.reason
      else if (reviewed.allowed) return true
    }
    if (unknown !== undefined) throw new Error(unknown)
    return false
  }
}

/** As the API server knows the account's tokens. */
function principalOf(account: string): Principal {
  const [, namespace] = serviceAccount.exec(account) ?? []
  return {
    kind: 'kubernetes',
    name: account,
    groups: [
      'system:serviceaccounts',
      ...(namespace === undefined ? [] : [`system:serviceaccounts:${namespace}`]),
      'system:authenticated',
    ],
    reviewable: true,
  }
}

function tooLate(): never {
  throw new Error('nobody could tell in time')
}
