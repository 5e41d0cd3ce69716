import type { Instant } from '../instant.ts'
import type { PolicyObjectName } from './policy-edits.ts'

/** What the processes of a registry share about policies: metadata's SharedPolicies. */
export interface PolicyDatabase {
  look(): Promise<PolicyLook>
  bring(set: ProposedPolicies): Promise<BroughtPolicies>
  hold(generation: number): Promise<void>
  documents(after: number): Promise<readonly StoredDocument[]>
  findDocument(
    object: PolicyObjectName,
  ): Promise<{ readonly document: string; readonly hash: string } | undefined>
  writeDocument(edit: DocumentEdit): Promise<DocumentOutcome>
}

export interface PolicyLook {
  /** By the clock of the database. */
  readonly now: Instant
  /** Grows with each change of a document. */
  readonly revision: number
  /** Undefined: no process has brought any into force. */
  readonly newest: NewestPolicies | undefined
}

export interface NewestPolicies {
  readonly generation: number
  readonly identity: string
  /** Milliseconds since a process said that it judges by them. */
  readonly heard: number
}

export interface ProposedPolicies {
  /** Equal for equal policies and exceptions. */
  readonly identity: string
  /** The generation that the process had in force before; undefined: none since its start. */
  readonly last: number | undefined
  /** Whether it is all that the source says now. */
  readonly isWhole: boolean
  /** Milliseconds: the newest policies of which nobody was heard for so long are nobody's. */
  readonly silence: number
  /** What the audit is told if they are new; `change` lacks the generation. */
  readonly auditRecords: readonly {
    readonly auditRecord: string
    readonly change: Readonly<Record<string, unknown>>
  }[]
  readonly now: Instant
}

export interface BroughtPolicies {
  /** Of these policies in the whole registry; 0: they are none that were ever in force. */
  readonly generation: number
  /** Of the newest ones. While it is another one, no change that these policies judged is committed. */
  readonly newest: number
}

export interface StoredDocument extends PolicyObjectName {
  /** The revision that wrote it. */
  readonly version: number
  readonly changedBy: string | undefined
  readonly changedAt: Instant
  /** JSON; undefined: it is as it was at the revision that was asked for. */
  readonly document: string | undefined
}

export interface DocumentEdit extends PolicyObjectName {
  /** JSON, and the hash of its `spec`; undefined: it is removed. */
  readonly content: { readonly document: string; readonly hash: string } | undefined
  /** As in `PolicyEdit`. */
  readonly from: string | null | undefined
  readonly changedBy: string
  /** What all documents may be together. */
  readonly most: { readonly documents: number; readonly characters: number }
}

export type DocumentOutcome =
  | { readonly kind: 'written' }
  /** `hash`: of what is there instead of what the edit was made from; null: nothing. */
  | { readonly kind: 'conflict'; readonly hash: string | null }
  | { readonly kind: 'unknown' }
  /** There would be more objects, or bytes, than a registry may have. */
  | { readonly kind: 'full' }
