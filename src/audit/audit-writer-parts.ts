import type { Log } from '../log.ts'
import type { LogName } from './chain.ts'
import type { HeadWitness } from './head-witness.ts'
import type { HeadStore } from './log-head.ts'
import type { NoteOutbox } from './note-outbox.ts'
import type { SegmentFolder } from './segment-folder.ts'
import type { Retention } from './segment-log.ts'
import type { AuditSink } from './sink.ts'

export interface AuditWriterParts {
  /** The folder of the log; made where there is none. */
  readonly folder: string | SegmentFolder
  /** Names this registry in each event: `source` is `/trow/<instance>`. */
  readonly instance: string
  /** Of changes. */
  readonly outbox: NoteOutbox
  /** The outbox of denials. */
  readonly denials: NoteOutbox
  readonly heads: HeadStore
  /** Where heads are kept besides, out of reach of whoever has the folder and the database; undefined: nowhere. */
  readonly witness?: HeadWitness | undefined
  readonly sinks: readonly AuditSink[]
  readonly retention: Readonly<Record<LogName, Retention>>
  readonly say: Log
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Unique: a UUID. */
  readonly newId: () => string
  /** Bytes; else what suits each log's retention. */
  readonly segmentSize?: number
}
