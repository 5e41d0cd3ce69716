import type { AuditLines, AuditLog } from './audit-store.ts'
import type { LogName } from './chain.ts'
import type { AuditFacts } from './audit-record.ts'
import { openHead, type WitnessedHeads, type HeadStore } from './log-head.ts'

/**
 * Compares the end of the log with the last signed head. If lines are missing, the log continues after their
 * numbers, so that the gap stays visible. Returns the facts to be recorded; undefined when nothing is wrong.
 */
export async function compareWithHead(
  log: AuditLog,
  heads: HeadStore,
  verifier: string,
): Promise<AuditFacts | undefined> {
  const note = await heads.head(log.name)
  if (note === undefined) return undefined
  const head = openHead(note, 'head', log.name, verifier)
  // Read after the head: others may be writing.
  const link = await log.current()
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
 * Compares the log with the head of a witness. Missing lines leave a gap, as in `compareWithHead`.
 * `contradicts`: a line has another hash than the head, which only the witness's head can prove.
 */
export async function compareWithWitness(
  lines: AuditLines,
  log: AuditLog,
  witnessed: WitnessedHeads,
  witness: string,
): Promise<{ readonly facts: AuditFacts; readonly contradicts: boolean } | undefined> {
  const { [log.name]: note, key } = witnessed
  if (note === undefined) return undefined
  const head = key === undefined ? undefined : openHead(note, 'head', log.name, key)
  const facts = { log: log.name, witness, count: 0 }
  if (head === undefined)
    return { facts: { ...facts, reason: 'the head there is not signed by the key there' }, contradicts: true }
  const link = await log.current()
  if (head.seq > link.seq) {
    await log.continueAfter({ seq: head.seq, hash: head.hash })
    const reason = 'the log ended before the line of the head that is kept elsewhere'
    const missing = { from: link.seq + 1, to: head.seq }
    const count = head.seq - link.seq
    return { facts: { ...facts, reason, count, missing, firstTime: head.time }, contradicts: false }
  }
  const hash = head.seq === link.seq ? link.hash : await hashOf(lines, log.name, head.seq)
  // A missing line has left a gap in the numbers, or retention has removed it.
  if (hash === undefined || hash === head.hash) return undefined
  const reason = `line ${head.seq} is not the one of the head that is kept elsewhere`
  return { facts: { ...facts, reason, firstTime: head.time }, contradicts: true }
}

/** Returns the hash of one line; undefined where the log has no line of that number. */
async function hashOf(lines: AuditLines, log: LogName, seq: number): Promise<string | undefined> {
  const tail = lines.follow(log, seq - 1)
  try {
    const [line] = await tail.next(1, seq)
    return line?.seq === seq ? line.hash : undefined
  } finally {
    await tail.close()
  }
}
