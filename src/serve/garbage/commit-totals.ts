import type { CommitWatch } from '../../registry/commit-watch.ts'

export interface CommitTotals {
  /** Seconds since the epoch; 0: no commits were lost. */
  readonly commitsLost: number
  /** Blobs whose bytes were not there after that. */
  readonly lostBlobs: number
  /** Databases that answer for the same blobs. */
  readonly otherDatabases: number
}

export function commitTotals(watch: CommitWatch | undefined): CommitTotals {
  const { lost, others = [] } = watch?.standing ?? {}
  return {
    commitsLost: Math.floor((lost?.at ?? 0) / 1000),
    lostBlobs: lost?.missing?.count ?? 0,
    otherDatabases: others.length,
  }
}
