import type { Facts } from './event.ts'

/** Where notes wait for the log: the metadata's outbox, as the writer of the log sees it. */
export interface NoteOutbox {
  read(page: { readonly after: number; readonly limit: number }): Promise<readonly NoteEntry[]>
  /** These and all before are in the log. What it forgot may come back after a crash. */
  forget(upTo: number): Promise<void>
  size(): Promise<{ readonly rows: number; readonly bytes: number }>
}

export interface NoteEntry {
  readonly id: number
  /** Undefined: `facts.unrecorded` says how many changes have no note. */
  readonly note: string | undefined
  readonly facts: Facts | undefined
}
