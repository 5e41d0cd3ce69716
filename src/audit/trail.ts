import type { AuditedAccess } from './event.ts'

/** What the serving road tells the audit. */
export interface AuditTrail {
  /** A decision to let somebody do something that changes nothing: written in the background, equal ones together. */
  allowed(access: AuditedAccess): void
  /** A refusal. In the log, durably, when it resolves; rejects with OciError UNAVAILABLE where it cannot be. */
  denied(access: AuditedAccess): Promise<void>
  /** Goes with a change, in whose transaction it is kept. Throws OciError UNAVAILABLE where changes cannot be audited. */
  note(access: AuditedAccess): string
}
