import { decodeNote, type Facts } from './audit-note.ts'
import { entryId, type NoteEntry, type NoteOutbox } from './note-outbox.ts'
import { openHead, type WitnessedHeads, type HeadStore } from './log-head.ts'
import { parseEvent } from './event-schema.ts'
import { LogTail } from './log-tail.ts'
import { eventTime, type SegmentLog } from './segment-log.ts'

const slack = 86_400_000
const page = 1000

/** Rows of the outbox that are in the log already: the process ended between the one and the other. */
export async function rowsInLog(log: SegmentLog, outbox: NoteOutbox): Promise<ReadonlySet<number>> {
  const waiting = new Map<number, string>()
  let oldest = Infinity
  for (let after = 0; ;) {
    const entries: readonly NoteEntry[] = await outbox.read({ after, limit: page })
    for (const entry of entries) {
      waiting.set(entry.id, entryId(entry))
      oldest = Math.min(oldest, (entry.note && decodeNote(entry.note)?.time) || 0)
    }
    after = entries.at(-1)?.id ?? after
    if (entries.length < page) break
  }
  const found = new Set<number>()
  if (waiting.size === 0) return found
  const [first] = waiting.keys()
  for await (const line of log.backwards()) {
    const event = parseEvent(line.event)
    const row = event?.data['row']
    if (typeof row !== 'number') continue
    if (waiting.get(row) === event?.id) found.add(row)
    // After a backup was restored, ids begin anew below those of the log: then the time tells.
    else if (row < (first ?? 0) || eventTime(line) < oldest - slack) break
  }
  return found
}

/**
 * Compares the end of the log with the head that was signed last. Where lines are missing, the log goes on after them, so
 * that their absence stays visible. Returns what is to be put on record; undefined when all is well.
 */
export async function compareWithHead(
  log: SegmentLog,
  heads: HeadStore,
  verifier: string,
): Promise<Facts | undefined> {
  const note = await heads.head(log.name)
  if (note === undefined) return undefined
  const head = openHead(note, 'head', log.name, verifier)
  const { link } = log
  if (head === undefined)
    return { log: log.name, reason: 'the kept head is not signed by the key of this registry', count: 0 }
  if (head.seq > link.seq) {
    await log.continueAfter({ seq: head.seq, hash: head.hash })
    return {
      log: log.name,
      reason: 'the log ended before the line of its signed head',
      count: head.seq - link.seq,
      missing: { from: link.seq + 1, to: head.seq },
      firstTime: head.time,
    }
  }
  if (head.seq === link.seq && head.hash !== link.hash)
    return { log: log.name, reason: 'the last line is not the one of the signed head', count: 0 }
  return undefined
}

/**
 * Compares the log with the head that a witness has. Lines that are missing leave a hole, as `compareWithHead` makes it;
 * `contradicts`: a line is another one, which only the witness's head will ever show.
 */
export async function compareWithWitness(
  log: SegmentLog,
  witnessed: WitnessedHeads,
  witness: string,
): Promise<{ readonly facts: Facts; readonly contradicts: boolean } | undefined> {
  const { [log.name]: note, key } = witnessed
  if (note === undefined) return undefined
  const head = key === undefined ? undefined : openHead(note, 'head', log.name, key)
  const facts = { log: log.name, witness, count: 0 }
  if (head === undefined)
    return { facts: { ...facts, reason: 'the head there is not signed by the key there' }, contradicts: true }
  const { link } = log
  if (head.seq > link.seq) {
    await log.continueAfter({ seq: head.seq, hash: head.hash })
    const reason = 'the log ended before the line of the head that is kept elsewhere'
    const missing = { from: link.seq + 1, to: head.seq }
    const count = head.seq - link.seq
    return { facts: { ...facts, reason, count, missing, firstTime: head.time }, contradicts: false }
  }
  const hash = head.seq === link.seq ? link.hash : await hashOf(log, head.seq)
  // A line that is not there leaves a gap in the numbers, or retention took it.
  if (hash === undefined || hash === head.hash) return undefined
  const reason = `line ${head.seq} is not the one of the head that is kept elsewhere`
  return { facts: { ...facts, reason, firstTime: head.time }, contradicts: true }
}

/** Of one line; undefined where there is none of that number. */
async function hashOf({ folder, name }: SegmentLog, seq: number): Promise<string | undefined> {
  const tail = new LogTail(folder, name, seq - 1)
  try {
    const [line] = await tail.next(1, seq)
    return line?.seq === seq ? line.hash : undefined
  } finally {
    await tail.close()
  }
}
