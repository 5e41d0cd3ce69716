import type { OutboxEntry } from './outbox.ts'

/** The logs of the audit: each is a chain of its own. */
export type ChainName = 'changes' | 'denials' | 'pulls'

/** The last line of a chain: its number, from 1, and its hash; 0 and zeros where there is none. */
export interface ChainLink {
  readonly seq: number
  readonly hash: string
}

/** The end of a chain: its last line, and the segment that gets lines. */
export interface ChainHead extends ChainLink {
  /** Number of the first line of the open segment; above `seq` while that is empty. */
  readonly openFirst: number
}

/** Lines of a chain that are stored together from now on, or soon: they get no more. */
export interface ChainSegment {
  readonly first: number
  /** Its last line. */
  readonly last: number
  readonly hash: string
  /** The object that holds its lines; undefined: they are still rows. */
  readonly object: string | undefined
}

export interface ChainRow {
  readonly seq: number
  /** Without a newline. */
  readonly line: string
}

/** What is read of the chains. Each call shows what was committed before it. */
export interface AuditChainReads {
  head(log: ChainName): Promise<ChainHead>
  /** Lines that are rows, after `after`, ordered by number. */
  rows(log: ChainName, page: { readonly after: number; readonly limit: number }): Promise<readonly ChainRow[]>
  /** Ordered by first line; none that retention has given up. */
  segments(log: ChainName): Promise<readonly ChainSegment[]>
  /** The first segment in an object whose last line is after `after`. */
  objectAfter(log: ChainName, after: number): Promise<ChainSegment | undefined>
}

/** New lines of a chain, of which `last` is the last, and the signed head that covers them. */
export interface NewLines {
  readonly lines: readonly string[]
  readonly last: ChainLink
  readonly signed: string
}

export interface ChainExtension {
  readonly log: ChainName
  /** The most rows of the log's outbox that become lines; 0: it has no outbox. */
  readonly limit: number
  /** Bytes of lines at which a segment is closed; it is closed too when a day (UTC) begins. */
  readonly segmentSize: number
  /**
   * A line that an earlier call, whose end nobody told, may have written: the extension is not made where the
   * chain has it.
   */
  readonly unsure: ChainRow | undefined
  /** Makes the lines that follow a head. It is called again where the transaction has to be repeated. */
  readonly make: (after: ChainLink, rows: readonly OutboxEntry[]) => NewLines
}

/**
 * `extended`: the lines are in the chain, and their rows have left the outbox, durably; `closed`: a segment that
 * this has closed, and that the caller should seal. `taken`: another process is extending the chain. `known`: the
 * chain has the unsure line. `sealed`: the row of that number is in an object by now.
 */
export type Extended =
  | { readonly outcome: 'extended'; readonly rows: number; readonly closed: ChainSegment | undefined }
  | { readonly outcome: 'taken' | 'known' | 'sealed' }

/** A removal of the oldest segments in objects. */
export interface ChainPruning {
  readonly log: ChainName
  /** Milliseconds, by the engine's clock, since the segment was closed; and bytes of all that is stored. */
  readonly age: number
  readonly bytes: number
  /** Makes the line that records the removal, with the last line that goes. */
  readonly make: (after: ChainLink, last: ChainLink) => NewLines
}

/**
 * The chains of the audit log that all processes of a registry extend. The newest lines are rows. A full segment
 * becomes an object in three steps, each of which may be repeated by any process: it is closed, its lines are
 * stored under a name that they decide, and its rows go.
 */
export interface AuditChain extends AuditChainReads {
  /** Whether rows of the log's outbox wait. */
  waits(log: ChainName): Promise<boolean>
  extend(extension: ChainExtension): Promise<Extended>
  /** Has the chain go on after a line that it does not have; changes nothing if it has one of that number. */
  continueAfter(log: ChainName, link: ChainLink): Promise<void>
  /** A closed segment that no process is sealing; it is the caller's for a minute. */
  claim(log: ChainName): Promise<ChainSegment | undefined>
  /** The lines of the segment are in the object: their rows go. */
  seal(
    log: ChainName,
    sealed: { readonly first: number; readonly object: string; readonly size: number },
  ): Promise<void>
  /** Records the removal, and gives the segments up; undefined: retention keeps all. */
  prune(pruning: ChainPruning): Promise<NewLines | undefined>
  /** Objects of segments that were given up and may still exist. */
  givenUp(log: ChainName): Promise<readonly ChainSegment[]>
  /** The object of a segment that was given up is gone. */
  forget(log: ChainName, first: number): Promise<void>
}
