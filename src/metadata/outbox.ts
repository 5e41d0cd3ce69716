import type { Instant } from '../instant.ts'

/** The audit record and time of a change that needs no time otherwise. */
export interface AuditedChange {
  readonly auditRecord: EncodedAuditRecord | undefined
  readonly now: Instant
}

/**
 * The caller and request of a change, as the audit log records them: text that the store keeps and does not
 * interpret.
 */
export type EncodedAuditRecord = string

/**
 * Audit records that wait to be written to the audit log. When more wait than the store's bound allows, a
 * change with a record is refused (OciError UNAVAILABLE) or goes on and is only counted; `OutboxBound.beyond`
 * says which.
 */
export interface AuditQueue {
  /** Adds records that belong to no change: all or none. Durable when it resolves; rejects like a change. */
  record(auditRecords: readonly EncodedAuditRecord[], now: Instant): Promise<void>
  /**
   * Entries after `after`, in ascending order. Ids are never reused, and no entry appears later with an id at
   * or below one already read: if commits overtake one another, the store assigns ids in the order in which
   * entries become visible.
   */
  read(page: { readonly after: number; readonly limit: number }): Promise<readonly OutboxEntry[]>
  /**
   * The entries up to and including `upTo` are in the log. Need not survive a power cut: a reader that gets
   * them again recognises them by their ids.
   */
  forget(upTo: number): Promise<void>
  /** The size of what waits; `bytes` is approximate. */
  size(): Promise<{ readonly rows: number; readonly bytes: number }>
}

/** Audit records of changes. Each is a row written in the transaction of its change. */
export interface Outbox extends AuditQueue {
  /** Audit records of denials, with their own ids and bound: waiting denials take no room from changes. */
  readonly denials: AuditQueue
  /**
   * Keeps a copy of the signed head of a log, beside the copy in the log's own folder. Need not survive a
   * power cut.
   */
  saveHead(log: string, head: string): Promise<void>
  head(log: string): Promise<string | undefined>
  /** Stores the key that signs heads, durably, unless a key is stored already. Resolves to the stored key. */
  saveKey(key: string): Promise<string>
  key(): Promise<string | undefined>
}

export interface OutboxEntry {
  readonly id: number
  /**
   * Undefined: the facts count the changes or denials that were not recorded,
   * `{"unrecorded":{"count","since","until"}}`.
   */
  readonly auditRecord: EncodedAuditRecord | undefined
  /** What the change did; undefined when the record belongs to no change. */
  readonly facts: ChangeFacts | undefined
}

/**
 * JSON. Of a change: `digest`, `size`, `mediaType`, `artifactType`, `subject`; `known` if the content was
 * already there; `from`, the source of a mount; `tags`, at most 100 `{name, before}` where `before` is the
 * tag's previous digest, or null for a new tag; and `tagCount` when there are more.
 */
export type ChangeFacts = Readonly<Record<string, unknown>>
