import { setImmediate as nextTurn } from 'node:timers/promises'
import { compilePattern } from '../oci/repository-pattern.ts'
import { eachLog, logNames, parseLine, type ChainedLine, type LogName } from './chain.ts'
import { parseEvent, type AuditEvent } from './event-schema.ts'
import type { AuditLines, LogCursor, Segment } from './audit-store.ts'
import { eventTime } from './event-time.ts'
import { firstLineOf } from './first-line.ts'

/** Selects events; every given member must match. */
export interface AuditQuery {
  /** Of the event, or of the request that it is about. */
  readonly id?: string | undefined
  /** The user's name; `*` stands for any characters. */
  readonly user?: string | undefined
  /** Pattern: `team-a/**`, `team-*`; `*` stays within a path segment. */
  readonly repository?: string | undefined
  readonly decision?: string | undefined
  readonly action?: string | undefined
  readonly digest?: string | undefined
  /** Milliseconds since the epoch, inclusive. */
  readonly since?: number | undefined
  readonly until?: number | undefined
}

/**
 * For each log, the number of the last line read, or after which to resume. An older trow may know fewer
 * logs.
 */
export type AuditPosition = Readonly<Partial<Record<LogName, number>>>

/** Sent between events of `followAudit`: all events up to this position have been sent. */
export interface PositionEvent {
  readonly kind: 'position'
  readonly position: AuditPosition
}

/** Lines held at once. */
const page = 200
/**
 * Lines between two turns of the event loop: matching patterns may take a fifth of a millisecond per line.
 */
const linesOfTurn = 64
/** Rounds of `followAudit` without an event after which it sends its position nevertheless. */
const quietRounds = 25

/**
 * Returns the newest `limit` matching events of all logs, oldest first. It reads no further back than
 * necessary, and reads twice: the first pass keeps only numbers and times of matches, so that memory does not
 * grow with the events.
 */
export async function* queryAudit(
  lines: AuditLines,
  query: AuditQuery,
  limit: number,
): AsyncGenerator<AuditEvent> {
  const fits = matcher(query)
  const found: FoundEvents[] = []
  for (const log of logNames) found.push(await findNewest(lines, log, query, limit))
  yield* merge(
    newestOfAll(found, limit).map(({ log, first, last }) => eventsBetween(lines, { log, first, last }, fits)),
  )
}

/**
 * Yields matching events as they are written, from now or after `after`, and its position, until `signal` is
 * aborted.
 */
export async function* followAudit(
  lines: AuditLines,
  query: AuditQuery,
  options: {
    readonly signal: AbortSignal
    readonly wait: () => Promise<void>
    readonly after?: AuditPosition | undefined
  },
): AsyncGenerator<AuditEvent | PositionEvent> {
  const fits = matcher(query)
  const turns = new LineTurns()
  const tails: LogCursor[] = []
  try {
    for (const log of logNames) {
      const last = await lines.last(log)
      tails.push(lines.follow(log, Math.min(options.after?.[log] ?? last, last)))
    }
    for (let quiet = quietRounds; !options.signal.aborted; quiet++) {
      let more = false
      for (const tail of tails) {
        const found = await tail.next(page)
        more ||= found.length === page
        for (const line of found) {
          await turns.next()
          const event = fits(line)
          if (event === undefined) continue
          yield event
          quiet = quietRounds
        }
      }
      if (quiet >= quietRounds) {
        yield { kind: 'position', position: eachLog((log) => tails[logNames.indexOf(log)]?.position ?? 0) }
        quiet = 0
      }
      if (!more) await options.wait()
    }
  } finally {
    for (const tail of tails) await tail.close()
  }
}

/** The matching lines of one log, oldest first. */
interface FoundEvents {
  readonly log: LogName
  readonly seqs: readonly number[]
  readonly times: readonly number[]
}

async function findNewest(
  lines: AuditLines,
  log: LogName,
  query: AuditQuery,
  limit: number,
): Promise<FoundEvents> {
  const fits = matcher(query)
  const parts: FoundEvents[] = []
  let count = 0
  for (const segment of (await lines.segments(log)).toReversed()) {
    const [begins, part] = await scanSegment(lines, segment, { log, fits, limit, until: query.until })
    parts.push(part)
    count += part.seqs.length
    if (count >= limit || (query.since !== undefined && begins < query.since)) break
  }
  parts.reverse()
  return {
    log,
    seqs: parts.flatMap(({ seqs }) => seqs).slice(-limit),
    times: parts.flatMap(({ times }) => times).slice(-limit),
  }
}

/** Returns when the segment begins, and its newest matching lines. */
async function scanSegment(
  lines: AuditLines,
  segment: Segment,
  options: {
    readonly log: LogName
    readonly fits: (line: ChainedLine) => AuditEvent | undefined
    readonly limit: number
    readonly until: number | undefined
  },
): Promise<[begins: number, found: FoundEvents]> {
  const { log, fits, limit, until = Infinity } = options
  const first = await firstLineOf(lines.lines(segment))
  const begins = first === undefined ? 0 : eventTime(first)
  const [seqs, times]: [number[], number[]] = [[], []]
  if (begins > until) return [begins, { log, seqs, times }]
  const turns = new LineTurns()
  for await (const { bytes, whole } of lines.lines(segment)) {
    await turns.next()
    const line = whole ? parseLine(bytes) : undefined
    const event = line && fits(line)
    if (line === undefined || event === undefined) continue
    seqs.push(line.seq)
    times.push(Date.parse(event.time))
    if (seqs.length <= 2 * limit) continue
    seqs.splice(0, limit)
    times.splice(0, limit)
  }
  return [begins, { log, seqs: seqs.slice(-limit), times: times.slice(-limit) }]
}

interface EventRange {
  readonly log: LogName
  readonly first: number
  readonly last: number
}

/**
 * Takes lines from the end of each log, as many as are among the newest of all. Within one log the order is
 * that of the lines.
 */
function newestOfAll(found: readonly FoundEvents[], limit: number): EventRange[] {
  const starts = found.map(({ seqs }) => seqs.length)
  for (let count = 0; count < limit; count++) {
    let newest = -1
    for (const [index, { times }] of found.entries()) {
      const time = times[(starts[index] ?? 0) - 1]
      const other = newest < 0 ? -Infinity : (found[newest]?.times[(starts[newest] ?? 0) - 1] ?? -Infinity)
      if (time !== undefined && time >= other) newest = index
    }
    if (newest < 0) break
    starts[newest] = (starts[newest] ?? 0) - 1
  }
  return found.flatMap(({ log, seqs }, index) => {
    const [first, last] = [seqs[starts[index] ?? 0], seqs.at(-1)]
    return first === undefined || last === undefined ? [] : [{ log, first, last }]
  })
}

async function* eventsBetween(
  lines: AuditLines,
  { log, first, last }: EventRange,
  fits: (line: ChainedLine) => AuditEvent | undefined,
): AsyncGenerator<AuditEvent> {
  const tail = lines.follow(log, first - 1)
  const turns = new LineTurns()
  try {
    // A read is also empty if a segment was sealed at that moment, so an empty read is repeated once.
    for (let empty = 0; empty < 2 && tail.position < last;) {
      const found = await tail.next(page, last)
      empty = found.length === 0 ? empty + 1 : 0
      for (const line of found) {
        await turns.next()
        const event = fits(line)
        if (event !== undefined) yield event
      }
    }
  } finally {
    await tail.close()
  }
}

/** Merges by time; equal times keep the order of the streams. */
async function* merge(streams: readonly AsyncGenerator<AuditEvent>[]): AsyncGenerator<AuditEvent> {
  const heads = await Promise.all(streams.map(async (stream) => (await stream.next()).value ?? undefined))
  try {
    for (;;) {
      let next = -1
      for (const [index, head] of heads.entries()) {
        if (head !== undefined && (next < 0 || head.time < (heads[next]?.time ?? ''))) next = index
      }
      const event = heads[next]
      if (event === undefined) return
      yield event
      heads[next] = (await streams[next]?.next())?.value ?? undefined
    }
  } finally {
    for (const stream of streams) await stream.return(undefined)
  }
}

/** Gives the event loop a turn after every `linesOfTurn` lines. */
class LineTurns {
  #lines = 0

  next(): Promise<void> | undefined {
    return ++this.#lines % linesOfTurn === 0 ? nextTurn() : undefined
  }
}

/**
 * Returns a function that parses a line and returns its event if it matches. Most lines that do not match are
 * recognised by their bytes, without parsing.
 */
function matcher(query: AuditQuery): (line: ChainedLine) => AuditEvent | undefined {
  const { since = -Infinity, until = Infinity, id, decision, action, digest } = query
  // In user names an asterisk also matches slashes.
  const user = query.user === undefined ? undefined : compilePattern(query.user.replaceAll(/\*+/g, '**'))
  const repository = query.repository === undefined ? undefined : compilePattern(query.repository)
  const needles = [
    ...(id === undefined ? [] : [JSON.stringify(id)]),
    ...(decision === undefined ? [] : [`"decision":${JSON.stringify(decision)}`]),
    ...(action === undefined ? [] : [`"action":${JSON.stringify(action)}`]),
    ...(digest === undefined ? [] : [digest]),
    ...(query.user === undefined || query.user.includes('*') ? [] : [`"user":${JSON.stringify(query.user)}`]),
  ].map((text) => Buffer.from(text))
  return ({ event: bytes }) => {
    if (!needles.every((needle) => bytes.includes(needle))) return undefined
    const event = parseEvent(bytes)
    if (event === undefined) return undefined
    const time = Date.parse(event.time)
    const { data } = event
    const name = data.actor?.user
    const fits =
      time >= since &&
      time <= until &&
      (id === undefined || event.id === id || data['requestId'] === id) &&
      (decision === undefined || data.decision === decision) &&
      (action === undefined || data.action === action) &&
      (digest === undefined || data.digest === digest || data.reference === digest) &&
      (user === undefined || (name !== undefined && user(name))) &&
      (repository === undefined || repository(data.repository ?? ''))
    return fits ? event : undefined
  }
}
