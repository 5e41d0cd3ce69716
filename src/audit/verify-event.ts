import type { LogName } from './chain.ts'

/** Something that should not be. `seq`: of the line, or the first of several. */
export interface AuditProblem {
  readonly kind: 'problem'
  readonly log: LogName
  readonly problem:
    | 'edited'
    | 'removed'
    | 'inserted'
    | 'reordered'
    | 'unlinked'
    | 'cut'
    | 'rewritten'
    | 'incomplete'
    | 'unreadable'
    | 'head-invalid'
  readonly seq: number | undefined
  readonly upTo: number | undefined
  readonly file: string | undefined
  readonly detail: string
}

export interface AuditSummary {
  readonly kind: 'summary'
  readonly log: LogName
  readonly segments: number
  readonly lines: number
  readonly first: number | undefined
  readonly last: number | undefined
  /** Lines before the first, gone by retention, as a signed record says. */
  readonly pruned: number
  /** The head that was compared; undefined: there was none, so a cut tail could not be seen. */
  readonly head: { readonly seq: number; readonly time: string } | undefined
  /** The same of the head that was kept elsewhere, in the cluster. */
  readonly witness: { readonly seq: number; readonly time: string } | undefined
  readonly problems: number
}

export type VerifyEvent = AuditProblem | AuditSummary
