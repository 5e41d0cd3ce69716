import type { PolicyRecord } from './audit-record.ts'

/**
 * One access as its request handler sees it. It is built for every request, so it holds only what is at hand.
 */
export interface AuditedAccess {
  readonly action: string
  readonly reason: string
  readonly actor: {
    readonly kind: string
    readonly name: string
    readonly groups: readonly string[]
    readonly credentialId?: string
    readonly extra?: Readonly<Record<string, readonly string[]>>
  }
  readonly repository: string | undefined
  readonly reference: string | undefined
  /** The digest that the reference was resolved to. */
  readonly digest: string | undefined
  readonly status: number
  /** Equal accesses should share the same list object where possible. */
  readonly policy?: readonly PolicyRecord[] | undefined
  readonly address: string
  readonly userAgent: string
  readonly requestId: string
  readonly method: string
  readonly route: string
}

/** What request handlers report to the audit. */
export interface AuditTrail {
  /** An access that was allowed and changes nothing. Written in the background; equal ones are merged. */
  allowed(access: AuditedAccess): void
  /**
   * A refusal. Resolves when it is durable, with the id of the request that its record names (this one or an
   * equal one); undefined where the record stands for several. Rejects with OciError UNAVAILABLE where it
   * cannot be recorded.
   */
  denied(access: AuditedAccess): Promise<string | undefined>
  /**
   * Returns the audit record of a change, to be stored in the change's transaction. Throws OciError
   * UNAVAILABLE where changes cannot be audited.
   */
  auditRecord(access: AuditedAccess): string
}
