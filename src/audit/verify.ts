import { counted } from '../counted.ts'
import { reasonOf } from '../reason-of.ts'
import { beginning, isIntact, parseLine, type ChainedLine, type LogName } from './chain.ts'
import { openHead, type WitnessedHeads, type LogHead } from './log-head.ts'
import { MissingLines } from './missing-lines.ts'
import { AuditAway } from './audit-away.ts'
import type { AuditLines, Segment } from './audit-store.ts'
import { parseEvent } from './event-schema.ts'

/** A problem in a log. `seq`: the number of the line, or of the first of several. */
export interface AuditProblem {
  readonly kind: 'problem'
  readonly log: LogName
  readonly problem:
    | 'edited'
    | 'removed'
    | 'inserted'
    | 'reordered'
    | 'unlinked'
    | 'cut'
    | 'rewritten'
    | 'incomplete'
    | 'unreadable'
    | 'head-invalid'
  readonly seq: number | undefined
  readonly upTo: number | undefined
  readonly file: string | undefined
  readonly detail: string
}

export interface AuditSummary {
  readonly kind: 'summary'
  readonly log: LogName
  readonly segments: number
  readonly lines: number
  readonly first: number | undefined
  readonly last: number | undefined
  /** Number of lines before the first that retention removed, according to a signed record. */
  readonly pruned: number
  /**
   * The head that was compared; undefined: there was none, so missing lines at the end could not be detected.
   */
  readonly head: { readonly seq: number; readonly time: string } | undefined
  /** The head stored in the cluster that was compared; undefined: there was none. */
  readonly witness: { readonly seq: number; readonly time: string } | undefined
  readonly problems: number
}

export type VerifyEvent = AuditProblem | AuditSummary

/** Reads one log and reports every problem. `head` must have been read before: the log may grow meanwhile. */
export async function* verifyLog(options: {
  readonly lines: AuditLines
  readonly log: LogName
  readonly head: string | undefined
  readonly verifier: string | undefined
  readonly witnessed?: WitnessedHeads | undefined
}): AsyncGenerator<VerifyEvent> {
  const { lines, log, verifier, witnessed } = options
  const check = new ChainCheck(log, verifier)
  let problems = 0
  const segments = await lines.segments(log)
  const head = openKept(options)
  const witness = openWitnessed(log, witnessed)
  if (head !== undefined) check.watch(head.seq)
  if (witness !== undefined) check.watch(witness.seq)
  for (const segment of segments) {
    for await (const problem of readSegment(check, lines, segment, segment === segments.at(-1))) {
      problems++
      yield problem
    }
  }
  const found = [
    ...check.end(),
    ...(options.head !== undefined && verifier !== undefined && head === undefined
      ? [check.badHead('the kept head is not signed by the key of this registry')]
      : []),
    ...check.compare(head, 'the head'),
    ...(witnessed?.[log] !== undefined && witness === undefined
      ? [check.badHead('the head in the cluster is not signed by the key that is kept with it')]
      : []),
    ...(witness !== undefined && verifier !== undefined && verifier !== witnessed?.key
      ? [check.badHead('the head in the cluster is signed by another key: the data folder was replaced')]
      : []),
    ...check.compare(witness, 'the head in the cluster'),
  ]
  for (const problem of found) {
    problems++
    yield problem
  }
  yield {
    kind: 'summary',
    log,
    segments: segments.length,
    lines: check.lines,
    first: check.first?.seq,
    last: check.first === undefined ? undefined : check.expected - 1,
    pruned: check.pruned,
    head: head && { seq: head.seq, time: head.time },
    witness: witness && { seq: witness.seq, time: witness.time },
    problems,
  }
}

function openKept(options: {
  readonly log: LogName
  readonly head: string | undefined
  readonly verifier: string | undefined
}): LogHead | undefined {
  const { log, head, verifier } = options
  return head === undefined || verifier === undefined ? undefined : openHead(head, 'head', log, verifier)
}

function openWitnessed(log: LogName, witnessed: WitnessedHeads | undefined): LogHead | undefined {
  const { [log]: note, key } = witnessed ?? {}
  return note === undefined || key === undefined ? undefined : openHead(note, 'head', log, key)
}

async function* readSegment(
  check: ChainCheck,
  lines: AuditLines,
  segment: Segment,
  last: boolean,
): AsyncGenerator<AuditProblem> {
  let number = 0
  try {
    for await (const { bytes, whole } of lines.lines(segment)) {
      if (whole) yield* check.line(bytes, segment, ++number)
      // The writer may be writing this line now; the signed head covers the lines that are complete.
      else if (!last || segment.sealed)
        yield check.problem('incomplete', check.expected, segment, 'it ends in the midst of a line')
    }
  } catch (error) {
    if (error instanceof AuditAway) throw error
    yield check.problem('unreadable', check.expected, segment, reasonOf(error))
  }
}

class ChainCheck {
  readonly #log: LogName
  readonly #verifier: string | undefined
  /** Numbers that were skipped and may still come, out of order. */
  readonly #missing = new MissingLines()
  readonly #pruned: LogHead[] = []
  #previous: { readonly seq: number; readonly hash: string } | undefined
  /** Hashes of the lines that heads refer to; undefined: not found yet. */
  readonly #watched = new Map<number, string | undefined>()
  expected = 1
  lines = 0
  pruned = 0
  first: { readonly seq: number; readonly prev: string } | undefined

  constructor(log: LogName, verifier: string | undefined) {
    this.#log = log
    this.#verifier = verifier
  }

  watch(seq: number): void {
    this.#watched.set(seq, undefined)
  }

  *line(bytes: Buffer, segment: Segment, number: number): Generator<AuditProblem> {
    this.lines++
    const line = parseLine(bytes)
    if (line === undefined) {
      const seq = this.#begin(undefined, segment, number)
      yield this.problem('edited', seq, segment, `line ${number} is no line of a log any more`)
      this.#previous = undefined
      this.expected = seq + 1
      return
    }
    this.#begin(line, segment, number)
    if (!isIntact(this.#log, line)) {
      // The number may be what was edited.
      yield this.problem(
        'edited',
        this.expected,
        segment,
        `line ${number} is not what was written: its hash does not fit`,
      )
      this.#previous = { seq: this.expected, hash: line.hash }
      this.expected++
      return
    }
    if (line.seq < this.expected) {
      const late = this.#missing.delete(line.seq)
      yield late
        ? this.problem(
            'reordered',
            line.seq,
            segment,
            `line ${number} stands after line ${this.expected - 1} of the log`,
          )
        : this.problem('inserted', line.seq, segment, `line ${number} has a number that another line has`)
      return
    }
    this.#missing.add(this.expected, line.seq - 1)
    if (this.#previous?.seq === line.seq - 1 && this.#previous.hash !== line.prev) {
      yield this.problem('unlinked', line.seq, segment, `line ${number} does not follow the one before it`)
    }
    this.#previous = line
    this.expected = line.seq + 1
    if (this.#watched.has(line.seq)) this.#watched.set(line.seq, line.hash)
    this.#notePruned(line)
  }

  /** Reports what is missing after all lines were read. */
  *end(): Generator<AuditProblem> {
    if (this.first !== undefined && this.first.seq > 1) {
      const before = this.first.seq - 1
      const record = this.#pruned.find(({ seq, hash }) => seq === before && hash === this.first?.prev)
      if (record !== undefined) this.pruned = before
      else
        yield this.problem(
          'removed',
          1,
          undefined,
          this.#verifier === undefined
            ? 'the lines before the first are gone, and without the key no record of that can be believed'
            : 'the lines before the first are gone, and no signed record says that retention took them',
          before,
        )
    } else if (this.first !== undefined && this.first.prev !== beginning.hash) {
      yield this.problem('unlinked', 1, undefined, 'the first line does not begin the chain')
    }
    for (const [from, to] of this.#missing.ranges) {
      yield this.problem(
        'removed',
        from,
        undefined,
        from === to ? 'the line is missing' : `lines ${from} to ${to} are missing`,
        to,
      )
    }
  }

  *compare(head: LogHead | undefined, name: string): Generator<AuditProblem> {
    if (head === undefined || head.seq === 0) return
    const last = this.expected - 1
    if (last < head.seq) {
      yield this.problem(
        'cut',
        last + 1,
        undefined,
        `${name} signed at ${head.time} counts ${counted(head.seq, 'line')}, the log ends at ${last}`,
        head.seq,
      )
      return
    }
    const met = this.#watched.get(head.seq)
    if (met !== undefined && met !== head.hash) {
      yield this.problem(
        'rewritten',
        head.seq,
        undefined,
        `line ${head.seq} is not the one of ${name} signed at ${head.time}`,
      )
    }
  }

  badHead(detail: string): AuditProblem {
    return this.problem('head-invalid', undefined, undefined, detail)
  }

  problem(
    problem: AuditProblem['problem'],
    seq: number | undefined,
    segment: Segment | undefined,
    detail: string,
    upTo = seq,
  ): AuditProblem {
    return { kind: 'problem', log: this.#log, problem, seq, upTo, file: segment?.file, detail }
  }

  /**
   * The number that this line should have. For the first line of the log, or of a file, it may come from the
   * file's name.
   */
  #begin(line: ChainedLine | undefined, segment: Segment, number: number): number {
    if (this.first === undefined && this.lines === 1) {
      this.expected = segment.first
      this.first = { seq: segment.first, prev: line?.seq === segment.first ? line.prev : beginning.hash }
    } else if (line === undefined && number === 1 && segment.first > this.expected) {
      this.#missing.add(this.expected, segment.first - 1)
      this.expected = segment.first
    }
    return this.expected
  }

  #notePruned(line: ChainedLine): void {
    if (this.#verifier === undefined || !line.event.includes('"type":"io.trow.audit.pruned.v1"')) return
    const signed = parseEvent(line.event)?.data['signed']
    const record =
      typeof signed === 'string' ? openHead(signed, 'pruned', this.#log, this.#verifier) : undefined
    if (record !== undefined) this.#pruned.push(record)
  }
}
