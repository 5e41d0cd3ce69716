/** What is refused, warned of or only recorded. */
export type TenantMode = 'audit' | 'warn' | 'enforce'

export interface TenantFinding {
  readonly mode: TenantMode
  readonly reason: 'NOT_YOURS' | 'RIGHTS_UNKNOWN'
  readonly repository: string
  /** A line for the person who made the pod. */
  readonly text: string
}

/** Whose pod it is, and what it names. */
export interface TenantQuestion {
  readonly namespace: string
  readonly serviceAccount: string
  /** Of this registry, without its host. */
  readonly repositories: readonly string[]
}

/**
 * Whether a pod's service account may pull what the pod names: nodes pull for every pod of theirs, so the registry cannot tell
 * tenants apart.
 */
export interface TenantRights {
  /** Only what it may not, or what nobody can tell now. Never rejects. */
  check(question: TenantQuestion, signal: AbortSignal): Promise<readonly TenantFinding[]>
}

/** Says of one repository whether a service account may pull it, by the same authorisers as a pull. */
export interface PullRights {
  /** Rejects where nobody can tell now. */
  mayPull(account: string, repository: string, signal: AbortSignal): Promise<boolean>
}

/** Asks about each repository of a pod at the same time. */
export class TenantChecks implements TenantRights {
  readonly #rights: PullRights
  readonly #mode: TenantMode

  constructor(rights: PullRights, mode: TenantMode) {
    this.#rights = rights
    this.#mode = mode
  }

  async check(
    { namespace, serviceAccount, repositories }: TenantQuestion,
    signal: AbortSignal,
  ): Promise<readonly TenantFinding[]> {
    const account = `system:serviceaccount:${namespace}:${serviceAccount}`
    const found = await Promise.all(
      repositories.map(async (repository): Promise<readonly TenantFinding[]> => {
        const of = { mode: this.#mode, repository }
        try {
          if (await this.#rights.mayPull(account, repository, signal)) return []
          const text = `${account} may not pull ${repository}  NOT_YOURS. Fix: bind it to the ClusterRole trow-pull in the repository's namespace`
          return [{ ...of, reason: 'NOT_YOURS', text }]
        } catch {
          const text = `whether ${account} may pull ${repository} could not be checked, try again  RIGHTS_UNKNOWN`
          return [{ ...of, reason: 'RIGHTS_UNKNOWN', text }]
        }
      }),
    )
    return found.flat()
  }
}
