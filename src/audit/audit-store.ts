import type { Log } from '../log.ts'
import type { AuditOutbox, QueuedAuditRecord } from './audit-outbox.ts'
import type { ChainedLine, Link, LogName } from './chain.ts'
import type { HeadStore } from './log-head.ts'
import type { QuietTries } from './quiet-tries.ts'

/** A run of lines of one log that is stored together. */
export interface Segment {
  readonly log: LogName
  /** Number of its first line. */
  readonly first: number
  /** It gets no more lines. */
  readonly sealed: boolean
  /** Names it for people: a file or an object. */
  readonly file: string
}

export interface RawLine {
  /** Without its newline. */
  readonly bytes: Buffer
  /** False: the segment ends within this line. */
  readonly whole: boolean
}

/** Reads the logs while they are written, wherever they are. */
export interface AuditLines {
  /** Ordered by first line. The last one may be getting lines. */
  segments(log: LogName): Promise<readonly Segment[]>
  /**
   * All lines of a segment, damaged ones too; none if retention has removed it meanwhile. Rejects where the
   * segment cannot be read.
   */
  lines(segment: Segment): AsyncGenerator<RawLine>
  /** Follows a log after a given line. */
  follow(log: LogName, after: number): LogCursor
  /** Number of the last line; 0 if there is none. */
  last(log: LogName): Promise<number>
}

/** A place in a log, across segments that are sealed or begun meanwhile. It skips invalid lines. */
export interface LogCursor {
  /** The number of the last line returned. */
  readonly position: number
  /** Returns up to `limit` further lines, up to number `upTo`; empty when there are none at the moment. */
  next(limit: number, upTo?: number): Promise<readonly ChainedLine[]>
  close(): Promise<void>
}

export interface Retention {
  /** Milliseconds. */
  readonly age: number
  /** Bytes of all of the log that is stored. */
  readonly bytes: number
}

/** What a log needs of who writes it. */
export interface LogParts {
  readonly name: LogName
  /** The outbox that its rows come from; undefined: it has none. */
  readonly outbox: AuditOutbox | undefined
  /** The event of a row. */
  readonly event: (row: QueuedAuditRecord) => string
  /** Signs a head of the log. */
  readonly sign: (link: Link) => string
  readonly heads: HeadStore
  readonly retention: Retention
  /** Bytes; undefined: a size that suits the retention. */
  readonly segmentSize: number | undefined
  readonly tries: QuietTries
  readonly logger: Log
}

/** Where the logs are kept. */
export interface AuditStore extends AuditLines {
  /** Opens a log to be written, and repairs what a process that has died left. */
  open(parts: LogParts): Promise<AuditLog>
}

/** One log, as its writer sees it. */
export interface AuditLog {
  readonly name: LogName
  /** The last line that this process knows. */
  readonly link: Link
  /** The last line now. */
  current(): Promise<Link>
  /**
   * Appends events without a row, then a page of the rows that wait in the outbox: all or none, durable when
   * it resolves. A row is in the log once, whatever happens. Rejects where the log cannot be written; then it may
   * be called again. `now`: milliseconds since the epoch.
   */
  write(events: readonly string[], now: number): Promise<WrittenLines>
  /**
   * Keeps the signed head of the last line. Returns the head that is kept, if it is another than at the call
   * before.
   */
  keepHead(): Promise<string | undefined>
  /** Continues after a line that no longer exists: its number is not used again, and the gap stays visible. */
  continueAfter(link: Link): Promise<void>
  prune(pruning: Pruning): Promise<void>
  close(): Promise<void>
}

export interface WrittenLines {
  /** Lines without newlines, as they are in the log. */
  readonly lines: readonly string[]
  /** How many of the events are among them, from the first on. */
  readonly taken: number
  /** Whether more waits: a further call may write it. */
  readonly more: boolean
}

/** The removal of the oldest sealed segments that retention does not keep. */
export interface Pruning {
  readonly retention: Retention
  readonly now: number
  /** The event that records the removal, with the last line that goes. It is in the log before anything goes. */
  readonly record: (last: Link) => string
  /** Called with the lines that are written. */
  readonly written: (lines: readonly string[]) => void
}
