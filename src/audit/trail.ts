import type { PolicyNote } from './audit-note.ts'

/** One access as the serving road sees it: made for every request, so it holds what is at hand and no more. */
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
  /** What the reference was resolved to. */
  readonly digest: string | undefined
  readonly status: number
  /** One and the same list for equal accesses, as far as can be. */
  readonly policy?: readonly PolicyNote[] | undefined
  readonly address: string
  readonly userAgent: string
  readonly requestId: string
  readonly method: string
  readonly route: string
}

/** What the serving road tells the audit. */
export interface AuditTrail {
  /** A decision to let somebody do something that changes nothing: written in the background, equal ones together. */
  allowed(access: AuditedAccess): void
  /**
   * A refusal. In the log, durably, when it resolves: with the id of the request that the record names, this or an equal one;
   * undefined where it names several. Rejects with OciError UNAVAILABLE where it cannot be recorded.
   */
  denied(access: AuditedAccess): Promise<string | undefined>
  /** Goes with a change, in whose transaction it is kept. Throws OciError UNAVAILABLE where changes cannot be audited. */
  note(access: AuditedAccess): string
}
