import type { LogName } from './chain.ts'
import { accessEvent, systemEvent } from './cloud-event.ts'
import { decodeNote, type Facts } from './audit-note.ts'

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

/** The event of a row of the outbox, which it names; whatever the row holds, there is one. */
export function entryEvent(
  entry: NoteEntry,
  { log, source, now }: { readonly log: LogName; readonly source: string; readonly now: number },
): string {
  const { id: row, note: text, facts } = entry
  const note = text === undefined ? undefined : decodeNote(text)
  if (note !== undefined) return accessEvent(note, { source, facts, row })
  const gap = facts?.['unrecorded'] as { count: number; since: number; until: number } | undefined
  const data =
    gap === undefined
      ? { reason: 'a note that cannot be read', count: 1 }
      : {
          log,
          reason:
            log === 'denials'
              ? 'denials were answered although they could not be recorded'
              : 'changes went on although they could not be recorded',
          count: gap.count,
          firstTime: new Date(gap.since).toISOString(),
          lastTime: new Date(gap.until).toISOString(),
        }
  return systemEvent(
    { id: `outbox-${row}-${gap?.since ?? 0}`, time: gap?.until ?? now, kind: 'gap', data },
    source,
    row,
  )
}

/** What tells the event of a row from any other, of any row. */
export function entryId(entry: NoteEntry): string {
  const note = entry.note === undefined ? undefined : decodeNote(entry.note)
  const gap = entry.facts?.['unrecorded'] as { since: number } | undefined
  return note?.id ?? `outbox-${entry.id}-${gap?.since ?? 0}`
}
