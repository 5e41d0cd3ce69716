import type { PolicyDecision } from '../enforcement/decision.ts'
import type { Review } from './admission-review.ts'
import type { TenantFinding } from './tenant-rights.ts'

/**
 * `would-deny`: recorded only, since the policy, or the pod's kind, binds nothing. `broken-glass`: it is refused, and let in while
 * somebody has opened the door.
 */
export type AdmissionOutcome =
  'allowed' | 'denied' | 'warned' | 'would-deny' | 'excepted' | 'unchecked' | 'broken-glass'

/** A decision that is more than an allow. */
export interface AdmissionRecord {
  /** Which the message names: `trow policy explain ID`. */
  readonly id: string
  /** Milliseconds since 1970. */
  readonly time: number
  readonly review: Review
  readonly outcome: AdmissionOutcome
  readonly judgement: PolicyDecision['judgement']
  readonly tenants: readonly TenantFinding[]
}

/** Takes decisions down. */
export interface DecisionRecords {
  /** Never rejects: a record that cannot be kept is counted, and the request is answered all the same. */
  record(decision: AdmissionRecord): Promise<void>
}
