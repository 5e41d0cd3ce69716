/** What may wait for the log. */
export interface OutboxRoom {
  readonly rows: number
  readonly bytes: number
}

/** How much may wait for the log, and what is done beyond it. Denials take no room of changes. */
export interface OutboxBound {
  readonly changes: OutboxRoom
  readonly denials: OutboxRoom
  /** `refuse`: OciError UNAVAILABLE; `allow`: it goes on and is only counted. */
  readonly beyond: 'refuse' | 'allow'
}

export const defaultOutboxBound: OutboxBound = {
  changes: { rows: 200_000, bytes: 256 * 1024 * 1024 },
  denials: { rows: 50_000, bytes: 64 * 1024 * 1024 },
  beyond: 'refuse',
}
