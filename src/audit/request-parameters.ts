import type { AuditRequest } from './audit-request.ts'
import { logNames, type LogName } from './chain.ts'
import type { WitnessedHeads } from './log-head.ts'
import type { AuditPosition, AuditQuery } from './query.ts'

const texts = ['id', 'user', 'repository', 'decision', 'action', 'digest'] as const
const times = ['since', 'until'] as const
/** Limit for one reply. */
export const mostEvents = 100_000
const longestText = 512
const longestNote = 4096

/** Returns, for example, `query?limit=100&user=alice`: the last part of the URL on a server. */
export function printAuditRequest(request: AuditRequest): string {
  const parameters = new URLSearchParams()
  if (request.kind === 'query') parameters.set('limit', String(request.limit))
  if (request.kind === 'query' || request.kind === 'follow') {
    for (const [name, value] of Object.entries(request.query)) {
      if (value !== undefined) parameters.set(name, String(value))
    }
  }
  if (request.kind === 'follow' && request.after !== undefined) {
    // A log missing in `after` was unknown to the older registry that gave the position. It has begun since,
    // so it is read from its start.
    for (const log of logNames) parameters.set(`after-${log}`, String(request.after[log] ?? 0))
  }
  if (request.kind === 'verify') {
    if (request.log !== undefined) parameters.set('log', request.log)
    for (const [name, value] of Object.entries(request.witnessed ?? {})) {
      if (value !== undefined) parameters.set(`witnessed-${name}`, String(value))
    }
  }
  return `${request.kind}?${parameters.toString()}`
}

/** Parses what `printAuditRequest` wrote, or returns a message that says what is wrong. */
export function parseAuditRequest(
  kind: AuditRequest['kind'],
  parameters: URLSearchParams,
): AuditRequest | string {
  switch (kind) {
    case 'query': {
      const limit = wholeNumber(parameters.get('limit') ?? '100')
      const query = parseQuery(parameters)
      if (typeof query === 'string') return query
      if (limit === undefined || limit < 1) return 'limit is a whole number above 0'
      return { kind, query, limit: Math.min(limit, mostEvents) }
    }
    case 'follow': {
      const query = parseQuery(parameters)
      const after = parsePosition(parameters)
      if (typeof query === 'string') return query
      return typeof after === 'string' ? after : { kind, query, after }
    }
    case 'verify': {
      const name = parameters.get('log')
      const log = logNames.find((each) => each === name)
      if (name !== null && log === undefined) return `log is ${logNames.join(' or ')}`
      const witnessed = parseWitnessed(parameters)
      return typeof witnessed === 'string' ? witnessed : { kind, log, witnessed }
    }
    case 'key':
      return { kind }
  }
}

function parseQuery(parameters: URLSearchParams): AuditQuery | string {
  const query: Record<string, string | number> = {}
  for (const name of texts) {
    const value = parameters.get(name)
    if (value === null) continue
    if (value.length > longestText) return `${name} has more than ${longestText} characters`
    query[name] = value
  }
  for (const name of times) {
    const value = parameters.get(name)
    if (value === null) continue
    const time = wholeNumber(value)
    if (time === undefined) return `${name} is a number of milliseconds since 1970`
    query[name] = time
  }
  return query
}

function parsePosition(parameters: URLSearchParams): AuditPosition | string | undefined {
  const names = logNames.map((log) => `after-${log}`)
  if (names.every((name) => !parameters.has(name))) return undefined
  const position: Partial<Record<LogName, number>> = {}
  for (const log of logNames) {
    const text = parameters.get(`after-${log}`)
    // An older client does not know this log: it follows the log from now on.
    if (text === null && log === 'denials') continue
    const seq = wholeNumber(text ?? '')
    if (seq === undefined) return `${names.join(', ')} are numbers of lines`
    position[log] = seq
  }
  return position
}

function parseWitnessed(parameters: URLSearchParams): WitnessedHeads | string | undefined {
  const heads: Record<string, string> = {}
  for (const name of ['key', ...logNames]) {
    const value = parameters.get(`witnessed-${name}`)
    if (value === null) continue
    if (value.length > longestNote) return `witnessed-${name} is longer than any signed head`
    heads[name] = value
  }
  return Object.keys(heads).length === 0 ? undefined : heads
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined
}
