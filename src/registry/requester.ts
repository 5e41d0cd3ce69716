import type { EncodedAuditRecord } from '../metadata/outbox.ts'
import type { RepositoryName } from '../oci/repository-name.ts'

/**
 * The originator of a request to the registry, independent of the interface: an HTTP request, or anything
 * else that reads or changes content. Its rights are checked beforehand. Policies on images are judged by a
 * ContentGuard, which reports its findings here.
 */
export interface Requester {
  /** Its name in audit records and refusals. */
  readonly name: string
  /** Why it was admitted: the rule or the binding. */
  readonly reason: string
  /**
   * The audit record of a change by this requester, stored together with the change; undefined if nothing is
   * audited. Throws OciError UNAVAILABLE if changes cannot be audited.
   */
  auditRecord(change: RequestedChange): EncodedAuditRecord | undefined
  /**
   * Receives findings of policies on content that the requester gets or changes nevertheless. A later
   * judgement replaces an earlier one.
   */
  judged(judgement: Judgement): void
  /**
   * Receives a refusal by policies. Resolves when the refusal is recorded, with the id that finds its record;
   * undefined: it has no record of its own. Rejects with OciError UNAVAILABLE or STORAGE_FULL if it cannot be
   * recorded: that error is then the reply.
   */
  refused(refusal: Refused): Promise<string | undefined>
}

export interface RequestedChange {
  readonly action: 'push' | 'delete' | 'mount'
  readonly repository: RepositoryName
  /** As typed: a tag or a digest. */
  readonly reference: string
}

/** The findings of policies on a request. */
export interface Judgement {
  /** At least one for each policy that has a finding. Equal requests share one object. */
  readonly findings: readonly PolicyFinding[]
  /** For the person behind the request, one line each. */
  readonly warnings: readonly string[]
}

export interface Refused extends Judgement {
  readonly repository: RepositoryName
  /** The tag or the digest; undefined where none is known yet. */
  readonly reference: string | undefined
  /** In one line. */
  readonly reason: string
}

export interface PolicyFinding {
  /** The policy's name; empty if no policy covers the content and the settings refuse that. */
  readonly policy: string
  readonly outcome: 'denied' | 'warned' | 'would-deny' | 'excepted' | 'unchecked'
  /** The code: `DENY_LIST`. */
  readonly reason: string
  /** The scope of the rule, or the entry of the deny list. */
  readonly rule: string | undefined
  /** The name of the exception that lifts the denial. */
  readonly exception: string | undefined
}
