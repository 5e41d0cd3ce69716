/** Limits on the audit records that wait for the log. */
export interface OutboxRoom {
  readonly rows: number
  readonly bytes: number
}

/** Limits on waiting audit records, and what happens beyond them. Denials take no room from changes. */
export interface OutboxBound {
  readonly changes: OutboxRoom
  readonly denials: OutboxRoom
  /** `refuse`: the change fails with OciError UNAVAILABLE; `allow`: it goes on and is only counted. */
  readonly beyond: 'refuse' | 'allow'
}

export const defaultOutboxBound: OutboxBound = {
  changes: { rows: 200_000, bytes: 256 * 1024 * 1024 },
  denials: { rows: 50_000, bytes: 64 * 1024 * 1024 },
  beyond: 'refuse',
}
