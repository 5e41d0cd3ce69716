import type { DatabaseSight } from '../database/database-sight.ts'

/** Of the control socket: what `trow status` shows of a server. */
export const standingPath = '/status'

type Found = { readonly ok: true } | { readonly ok: false; readonly reason: string }

/** What the process knows of itself and its registry. */
export interface ServedStanding {
  readonly version: string
  readonly write: Found
  readonly maintenance: Found
  /** Undefined: the metadata is in the data folder. */
  readonly database: DatabaseSight | undefined
}
