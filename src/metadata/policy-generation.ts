import type { Instant } from '../instant.ts'
import type { EncodedAuditRecord } from './outbox.ts'

/**
 * The generation of the policies that judge changes, so that no change judged by older policies is committed.
 */
export type PolicyGenerations = OwnPolicies | SharedPolicies

/** Of a registry that only one process serves. */
export interface OwnPolicies {
  readonly kind: 'own'
  /**
   * Sets the generation in force: changes that another generation judged fail with PolicyChanged. When it
   * resolves, no such change will be committed. It is not stored: it must be set again each time the store is
   * opened.
   */
  setGeneration(generation: number): Promise<void>
}

/** Of a registry that several processes may serve: they share the generation, and may keep the policies here. */
export interface SharedPolicies {
  readonly kind: 'shared'
  look(): Promise<SharedPoliciesLook>
  /**
   * Puts policies into force. The same ones as are in force have their generation; others get a new one if they are
   * newer: the process had the newest ones before (`last`), or it has all of what its source says (`isWhole`) and
   * nobody has had that before, or nobody was heard for `silence` milliseconds to have the newest. When it resolves, no
   * change that others than those of `newest` judged will be committed. The audit records are written if and only if
   * the policies are new, with the generation as a further member of `change`.
   */
  bring(set: {
    readonly identity: string
    readonly last: number | undefined
    readonly isWhole: boolean
    readonly silence: number
    readonly auditRecords: readonly PolicyAuditRecord[]
    readonly now: Instant
  }): Promise<{ readonly generation: number; readonly newest: number }>
  /** Says that a process has these policies in force, if they are the newest. Need not survive a crash. */
  hold(generation: number): Promise<void>
  /** All documents, and the text of those that were written after the revision. */
  documents(after: number): Promise<readonly PolicyDocument[]>
  findDocument(
    object: PolicyDocumentName,
  ): Promise<{ readonly document: string; readonly hash: string } | undefined>
  /** Durable when it resolves. */
  writeDocument(edit: PolicyDocumentEdit): Promise<PolicyDocumentOutcome>
}

export interface SharedPoliciesLook {
  /** By the clock of the engine. */
  readonly now: Instant
  /** Grows with each document that is written or removed. */
  readonly revision: number
  /** Undefined: none were ever brought. `heard`: milliseconds since `bring` or `hold`. */
  readonly newest:
    { readonly generation: number; readonly identity: string; readonly heard: number } | undefined
}

export interface PolicyAuditRecord {
  readonly auditRecord: EncodedAuditRecord
  readonly change: Readonly<Record<string, unknown>>
}

export interface PolicyDocumentName {
  readonly kind: 'TrowPolicy' | 'TrowException'
  readonly name: string
}

export interface PolicyDocument extends PolicyDocumentName {
  /** The revision that wrote it. */
  readonly version: number
  readonly changedBy: string
  readonly changedAt: Instant
  /** JSON. */
  readonly document: string | undefined
}

export interface PolicyDocumentEdit extends PolicyDocumentName {
  /** Undefined: it is removed. */
  readonly content: { readonly document: string; readonly hash: string } | undefined
  /** The hash of what it replaces; null: there is none; undefined: whatever is there. */
  readonly from: string | null | undefined
  readonly changedBy: string
  /** What all documents may be together. */
  readonly most: { readonly documents: number; readonly characters: number }
}

export type PolicyDocumentOutcome =
  | { readonly kind: 'written' }
  /** `hash`: of what is there; null: nothing. */
  | { readonly kind: 'conflict'; readonly hash: string | null }
  /** What is to be removed is not there. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'full' }

const code = 'POLICY_CHANGED'

/**
 * The policies have changed since the change was judged. Nothing was changed; the change must be judged
 * again.
 */
export class PolicyChanged extends Error {
  /** Identifies the error in another thread, where its class is lost. */
  readonly code = code

  constructor() {
    super('the policies have changed since the change was judged')
    this.name = 'PolicyChanged'
  }
}

export function isPolicyChanged(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
