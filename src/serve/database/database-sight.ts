/** What the last look has found. */
export interface DatabaseSight {
  /** Why the last look has found nothing. */
  readonly away: string | undefined
  readonly durability: Durability | undefined
  /** Names of the other processes that serve the registry; undefined: it is not shared. */
  readonly others: readonly string[] | undefined
  readonly differences: readonly SettingDifference[]
  /** Policies and exceptions in the database by which this process does not judge. */
  readonly idlePolicies: number
}

/** How durable an acknowledged push is, in words. */
export interface Durability {
  /** False: a failover or a power failure may lose what was acknowledged. */
  readonly isSafe: boolean
  readonly text: string
}

/** A setting that other processes of the registry have with another value. */
export interface SettingDifference {
  readonly setting: string
  readonly here: string
  readonly there: string
  /** Names of the processes that have it so. */
  readonly processes: readonly string[]
}
