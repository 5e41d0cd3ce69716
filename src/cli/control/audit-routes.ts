import type { ServerResponse } from 'node:http'
import { logNames } from '../../audit/chain.ts'
import type { AuditQuery } from '../../audit/query.ts'
import { auditEvents, type AuditRequest, type AuditSource } from '../audit/audit-source.ts'
import { sendEvents } from './events.ts'

const texts = ['user', 'repository', 'decision', 'action', 'digest'] as const
const mostEvents = 100_000

/** `GET /audit/query|follow|verify|key`, for `requestPath`. False: it is another request. */
export async function answerAudit(
  { method, url }: { readonly method: string; readonly url: URL },
  response: ServerResponse,
  source: AuditSource,
): Promise<boolean> {
  const request = method === 'GET' ? parseRequest(url.pathname, url.searchParams) : undefined
  if (request === undefined) return false
  const abort = new AbortController()
  response.once('close', () => abort.abort())
  await sendEvents(response, auditEvents(source, request, abort.signal))
  return true
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
