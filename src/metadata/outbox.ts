import type { Instant } from '../instant.ts'

/** What a change that knows no time of its own needs for its note. */
export interface Noted {
  readonly note: ChangeNote | undefined
  readonly now: Instant
}

/** Who asked for a change and how, as the audit wants it: a text that is kept with the change, never read here. */
export type ChangeNote = string

/**
 * Notes on their way to the audit log. When more wait than the store was opened to bear, whatever has a note is refused
 * (OciError UNAVAILABLE) or goes on and is only counted, as it was told.
 */
export interface NoteQueue {
  /** Notes without a change, all or none. Durable when it resolves; rejects as a change does. */
  record(notes: readonly ChangeNote[], now: Instant): Promise<void>
  /**
   * Ascending, after `after`. Ids are never used twice, and no entry appears later at or below one that was read: where
   * commits overtake one another, the store gives entries their ids in the order in which it shows them.
   */
  read(page: { readonly after: number; readonly limit: number }): Promise<readonly OutboxEntry[]>
  /** These and all before are in the log. Need not survive a power cut: who reads them again knows them by their ids. */
  forget(upTo: number): Promise<void>
  /** What waits; `bytes` is near enough. */
  size(): Promise<{ readonly rows: number; readonly bytes: number }>
}

/** The notes of changes, each a row of its change's own transaction. */
export interface Outbox extends NoteQueue {
  /** The notes of denials, with ids and a bound of their own: however many wait, changes have their room. */
  readonly denials: NoteQueue
  /** A signed head of a log, kept here as its second place. Need not survive a power cut. */
  saveHead(log: string, head: string): Promise<void>
  head(log: string): Promise<string | undefined>
  /** The key that signs heads, durably, unless there is one: that which is kept. */
  saveKey(key: string): Promise<string>
  key(): Promise<string | undefined>
}

export interface OutboxEntry {
  readonly id: number
  /** Undefined: the facts tell of changes, or denials, that went unrecorded, `{"unrecorded":{"count","since","until"}}`. */
  readonly note: ChangeNote | undefined
  /** What the change did; undefined where there was none. */
  readonly facts: Facts | undefined
}

/**
 * JSON. Of a change: `digest`, `size`, `mediaType`, `artifactType`, `subject`; `known` when it was there already;
 * `from`, a mount's source; `tags`, at most 100 `{name, before}`: what each pointed to, null when it is new, and
 * `tagCount` when there are more.
 */
export type Facts = Readonly<Record<string, unknown>>
