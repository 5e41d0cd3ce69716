import type { Instant } from '../instant.ts'

/**
 * Marks are commits of their own, each with a text that nobody guesses. Copies of the newest stand beside the blobs
 * and in the memory of every process: a copy whose mark the database does not hold proves that commits were lost, by
 * a failover or a restore, or that another database writes beside the same blobs. Marks are half a minute apart: what an
 * engine can say of the commits after the newest is in the standing, too.
 */
export interface CommitMarks {
  /** Resolves to what is known without a look beside the blobs. */
  standing(): Promise<MarkStanding>
  /** Compares the copies with what the database holds, and makes a new mark, durably. */
  mark(look: MarkLook): Promise<MarkAnswer>
  /** The blobs were looked for since commits were lost. `missing`: those whose bytes are gone. */
  noteMissing(missing: {
    readonly at: Instant
    readonly count: number
    readonly digests: readonly string[]
  }): Promise<void>
}

export interface CommitMark {
  readonly number: number
  readonly token: string
}

/** A mark beside the blobs. */
export interface MarkCopy extends CommitMark {
  /** Names the history to which the mark belongs. A database that has lost commits begins a new one. */
  readonly history: string
  /** Who wrote it, for people. */
  readonly writer: string
}

export interface MarkLook {
  /** Read before the call: a mark is written beside the blobs after it is committed. */
  readonly copies: readonly MarkCopy[]
  /** The newest that this process knows of, and when it was told. */
  readonly known: (CommitMark & { readonly at: Instant }) | undefined
  /** Names for a new mark, and for a history that may begin. */
  readonly fresh: { readonly token: string; readonly history: string }
  /** Milliseconds: no new mark is made while the newest is younger. */
  readonly every: number
  readonly now: Instant
}

export interface MarkAnswer extends MarkStanding {
  readonly mark: CommitMark
  readonly history: string
  /** By the engine's clock. */
  readonly at: Instant
  /** What the call has found, and none before it. */
  readonly found: 'nothing' | 'commits-lost' | 'other-database'
}

export interface MarkStanding {
  readonly lost: LostCommits | undefined
  /** Databases that write beside the same blobs: their histories have gone on since they were seen first. */
  readonly others: readonly OtherDatabase[]
}

export interface LostCommits {
  /** When it was noticed. */
  readonly at: Instant
  /** Set once all blobs have been looked for. */
  readonly missing?: { readonly count: number; readonly digests: readonly string[] } | undefined
}

export interface OtherDatabase {
  readonly writer: string
  readonly seenAt: Instant
}
