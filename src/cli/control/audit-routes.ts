import { logNames } from '../../audit/chain.ts'
import type { AuditQuery } from '../../audit/query.ts'
import { answerAudit, type AuditRequest, type AuditSource } from '../audit/audit-source.ts'

const texts = ['user', 'repository', 'decision', 'action', 'digest'] as const
const mostEvents = 100_000

/** `GET /audit/query|follow|verify|key`, for `requestPath`; undefined where the path is another one. */
export function auditRoute(
  source: AuditSource,
  url: { readonly pathname: string; readonly searchParams: URLSearchParams },
  signal: AbortSignal,
): AsyncIterable<object> | undefined {
  const request = parseRequest(url.pathname, url.searchParams)
  return request && answerAudit(source, request, signal)
}

/** Where a server answers it. */
export function requestPath(request: AuditRequest): string {
  const parameters = new URLSearchParams()
  if (request.kind === 'query') parameters.set('limit', String(request.limit))
  if (request.kind === 'verify' && request.log !== undefined) parameters.set('log', request.log)
  if (request.kind === 'query' || request.kind === 'follow') {
    for (const [name, value] of Object.entries(request.query)) {
      if (value !== undefined) parameters.set(name, String(value))
    }
  }
  return `/audit/${request.kind}?${parameters.toString()}`
}

function parseRequest(path: string, parameters: URLSearchParams): AuditRequest | undefined {
  switch (path) {
    case '/audit/query': {
      const limit = Math.min(Number(parameters.get('limit') ?? 100) || 0, mostEvents)
      return { kind: 'query', query: parseQuery(parameters), limit }
    }
    case '/audit/follow':
      return { kind: 'follow', query: parseQuery(parameters) }
    case '/audit/verify':
      return { kind: 'verify', log: logNames.find((log) => log === parameters.get('log')) }
    case '/audit/key':
      return { kind: 'key' }
    default:
      return undefined
  }
}

function parseQuery(parameters: URLSearchParams): AuditQuery {
  const query: Record<string, string | number> = {}
  for (const name of texts) {
    const value = parameters.get(name)
    if (value !== null) query[name] = value
  }
  for (const name of ['since', 'until']) {
    const value = parameters.get(name)
    if (value !== null) query[name] = Number(value)
  }
  return query
}
