import { logNames, parseLine, type ChainedLine, type LogName } from './chain.ts'
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

/** A CloudEvent as it is in the log. */
export interface AuditEvent {
  readonly id: string
  readonly type: string
  readonly time: string
  readonly subject?: string
  readonly data: {
    readonly decision?: string
    readonly action?: string
    readonly reason?: string
    readonly actor?: { readonly user?: string }
    readonly repository?: string
    readonly reference?: string
    readonly digest?: string
    readonly count?: number
    readonly [name: string]: unknown
  }
}

/** The newest `limit` events that fit, of both logs, oldest first. Reads no further back than it must. */
export async function queryAudit(folder: string, query: AuditQuery, limit: number): Promise<AuditEvent[]> {
  const found: AuditEvent[] = []
  for (const log of logNames) found.push(...(await queryLog(folder, log, query, limit)))
  // In one log the order is that of the lines.
  return found.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0)).slice(-limit)
}

/** Events that fit from now on, as they come, until `signal`. */
export async function* followAudit(
  folder: string,
  query: AuditQuery,
  options: { readonly signal: AbortSignal; readonly wait: () => Promise<void> },
): AsyncGenerator<AuditEvent> {
  const fits = matcher(query)
  const tails: LogTail[] = []
  try {
    for (const log of logNames) tails.push(new LogTail(folder, log, await lastSeq(folder, log)))
    while (!options.signal.aborted) {
      for (const tail of tails) {
        for (const line of await tail.next(1000)) {
          const event = fits(line)
          if (event !== undefined) yield event
        }
      }
      await options.wait()
    }
  } finally {
    for (const tail of tails) await tail.close()
  }
}

async function queryLog(
  folder: string,
  log: LogName,
  query: AuditQuery,
  limit: number,
): Promise<AuditEvent[]> {
  const fits = matcher(query)
  const parts: AuditEvent[][] = []
  let count = 0
  for (const segment of (await listSegments(folder, log)).reverse()) {
    const [begins, lines] = await readSegment(folder, segment, fits, limit, query.until)
    parts.push(lines)
    count += lines.length
    if (count >= limit || (query.since !== undefined && begins < query.since)) break
  }
  return parts.reverse().flat().slice(-limit)
}

/** When it begins, and the newest events in it that fit. */
async function readSegment(
  folder: string,
  segment: Segment,
  fits: (line: ChainedLine) => AuditEvent | undefined,
  limit: number,
  until = Infinity,
): Promise<[begins: number, events: AuditEvent[]]> {
  const first = parseLine((await firstLine(folder, segment)) ?? Buffer.alloc(0))
  const begins = first === undefined ? 0 : eventTime(first)
  const events: AuditEvent[] = []
  if (begins > until) return [begins, events]
  for await (const { bytes, whole } of segmentLines(folder, segment)) {
    const line = whole ? parseLine(bytes) : undefined
    const event = line && fits(line)
    if (event === undefined) continue
    events.push(event)
    if (events.length > 2 * limit) events.splice(0, limit)
  }
  return [begins, events.slice(-limit)]
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

/** The event where it fits. What cannot fit is seen from its bytes, before it is parsed. */
function matcher(query: AuditQuery): (line: ChainedLine) => AuditEvent | undefined {
  const { since = -Infinity, until = Infinity, decision, action, digest } = query
  const user = query.user === undefined ? undefined : glob(query.user, '.*')
  const repository = query.repository === undefined ? undefined : glob(query.repository, '[^/]*')
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
      (user === undefined || (name !== undefined && user.test(name))) &&
      (repository === undefined || repository.test(data.repository ?? ''))
    return fits ? event : undefined
  }
}

function parseEvent(bytes: Buffer): AuditEvent | undefined {
  try {
    return JSON.parse(bytes.toString()) as AuditEvent
  } catch {
    return undefined
  }
}

function glob(pattern: string, star: string): RegExp {
  const source = pattern
    .split(/(\*+)/)
    .map((part) =>
      part === '*' ? star : part.startsWith('**') ? '.*' : part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'),
    )
    .join('')
  return new RegExp(`^${source}$`, 's')
}
