import type { AuditActor } from './event.ts'

/** What makes two accesses equal for the audit. */
export interface Access {
  /** One and the same object for one and the same caller: it is looked up by identity. */
  readonly actor: AuditActor
  readonly address: string
  readonly repository: string | undefined
  readonly reference: string | undefined
  readonly action: string
  readonly reason: string
  readonly status: number | undefined
}

/** Equal accesses of one caller since the last report; plain data, for another thread. */
export interface MergedAccess {
  readonly key: string
  /** Of the first of them: `encodeNote`. */
  readonly note: string
  readonly count: number
  /** Milliseconds since the epoch. */
  readonly first: number
  readonly last: number
  /** A denial: one that equals them has been recorded by itself. */
  readonly denied: boolean
}
