import { setImmediate as nextTurn } from 'node:timers/promises'
import { compilePattern } from '../oci/repository-pattern.ts'
import { eachLog, logNames, parseLine, type ChainedLine, type LogName } from './chain.ts'
import { parseEvent, type AuditEvent } from './event-schema.ts'
import { LogTail } from './log-tail.ts'
import { listSegments, type Segment } from './segment-folder.ts'
import { firstLine, segmentLines } from './segment-lines.ts'
import { eventTime } from './segment-log.ts'

/** Which events; every member that is given must fit. */
export interface AuditQuery {
  /** Name of the user, with `*` for any characters. */
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

/** How far each log was read, or may be resumed from: the number of the last line. A trow may know fewer logs. */
export type AuditPosition = Readonly<Partial<Record<LogName, number>>>

/** Told between events of `followAudit`: everything up to there was given. */
export interface PositionEvent {
  readonly kind: 'position'
  readonly position: AuditPosition
}

/** Lines that are held at once. */
const page = 200
/** Lines that are looked at between two rounds of the event loop: patterns may take a fifth of a millisecond for each. */
const linesOfTurn = 64
/** Rounds of `followAudit` without news after which it tells where it is all the same. */
const quietRounds = 25

/**
 * The newest `limit` events that fit, of all logs, oldest first. Reads no further back than it must, and twice: of what
 * fits only numbers and times are kept at first, so that memory does not grow with the events.
 */
export async function* queryAudit(
  folder: string,
  query: AuditQuery,
  limit: number,
): AsyncGenerator<AuditEvent> {
  const fits = matcher(query)
  const found: Found[] = []
  for (const log of logNames) found.push(await findNewest(folder, log, query, limit))
  yield* merge(
    newestOfAll(found, limit).map(({ log, first, last }) =>
      eventsBetween({ folder, log, first, last }, fits),
    ),
  )
}

/** Events that fit from now on, or from after `after`, as they come, and where it is; until `signal`. */
export async function* followAudit(
  folder: string,
  query: AuditQuery,
  options: {
    readonly signal: AbortSignal
    readonly wait: () => Promise<void>
    readonly after?: AuditPosition | undefined
  },
): AsyncGenerator<AuditEvent | PositionEvent> {
  const fits = matcher(query)
  const turns = new LineTurns()
  const tails: LogTail[] = []
  try {
    for (const log of logNames) {
      const last = await lastSeq(folder, log)
      tails.push(new LogTail(folder, log, Math.min(options.after?.[log] ?? last, last)))
    }
    for (let quiet = quietRounds; !options.signal.aborted; quiet++) {
      let more = false
      for (const tail of tails) {
        const lines = await tail.next(page)
        more ||= lines.length === page
        for (const line of lines) {
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

/** Lines of one log that fit, oldest first. */
interface Found {
  readonly log: LogName
  readonly seqs: readonly number[]
  readonly times: readonly number[]
}

async function findNewest(folder: string, log: LogName, query: AuditQuery, limit: number): Promise<Found> {
  const fits = matcher(query)
  const parts: Found[] = []
  let count = 0
  for (const segment of (await listSegments(folder, log)).reverse()) {
    const [begins, part] = await scanSegment(folder, segment, { log, fits, limit, until: query.until })
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

/** When it begins, and the newest lines in it that fit. */
async function scanSegment(
  folder: string,
  segment: Segment,
  options: {
    readonly log: LogName
    readonly fits: (line: ChainedLine) => AuditEvent | undefined
    readonly limit: number
    readonly until: number | undefined
  },
): Promise<[begins: number, found: Found]> {
  const { log, fits, limit, until = Infinity } = options
  const first = parseLine((await firstLine(folder, segment)) ?? Buffer.alloc(0))
  const begins = first === undefined ? 0 : eventTime(first)
  const [seqs, times]: [number[], number[]] = [[], []]
  if (begins > until) return [begins, { log, seqs, times }]
  const turns = new LineTurns()
  for await (const { bytes, whole } of segmentLines(folder, segment)) {
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

interface Range {
  readonly log: LogName
  readonly first: number
  readonly last: number
}

/** From the end, of each log so much as is among the newest of all: in one log the order is that of the lines. */
function newestOfAll(found: readonly Found[], limit: number): Range[] {
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
  { folder, log, first, last }: Range & { readonly folder: string },
  fits: (line: ChainedLine) => AuditEvent | undefined,
): AsyncGenerator<AuditEvent> {
  const tail = new LogTail(folder, log, first - 1)
  const turns = new LineTurns()
  try {
    // Empty also where a segment was sealed in this moment: then once more.
    for (let empty = 0; empty < 2 && tail.position < last;) {
      const lines = await tail.next(page, last)
      empty = lines.length === 0 ? empty + 1 : 0
      for (const line of lines) {
        await turns.next()
        const event = fits(line)
        if (event !== undefined) yield event
      }
    }
  } finally {
    await tail.close()
  }
}

/** By time; equal times in the order of the streams. */
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

async function lastSeq(folder: string, log: LogName): Promise<number> {
  const last = (await listSegments(folder, log)).at(-1)
  if (last === undefined) return 0
  let seq = last.first - 1
  for await (const { bytes, whole } of segmentLines(folder, last)) {
    if (whole) seq = parseLine(bytes)?.seq ?? seq
  }
  return seq
}

/** Has the loop go round for others between lines. */
class LineTurns {
  #lines = 0

  next(): Promise<void> | undefined {
    return ++this.#lines % linesOfTurn === 0 ? nextTurn() : undefined
  }
}

/** The event where it fits. What cannot fit is seen from its bytes, before it is parsed. */
function matcher(query: AuditQuery): (line: ChainedLine) => AuditEvent | undefined {
  const { since = -Infinity, until = Infinity, decision, action, digest } = query
  // In names an asterisk goes over slashes.
  const user = query.user === undefined ? undefined : compilePattern(query.user.replaceAll(/\*+/g, '**'))
  const repository = query.repository === undefined ? undefined : compilePattern(query.repository)
  const needles = [
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
      (decision === undefined || data.decision === decision) &&
      (action === undefined || data.action === action) &&
      (digest === undefined || data.digest === digest || data.reference === digest) &&
      (user === undefined || (name !== undefined && user(name))) &&
      (repository === undefined || repository(data.repository ?? ''))
    return fits ? event : undefined
  }
}
