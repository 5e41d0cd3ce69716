import type { Route } from './route.ts'
import type { Endpoint } from './router.ts'
import type { ServerRequest } from './server-request.ts'

/** One request, for the access log. Times in milliseconds. */
export interface AccessRecord {
  readonly time: number
  readonly id: string
  readonly method: string
  readonly path: string
  readonly route: string
  readonly right: string
  readonly status: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly duration: number
  /** Who sent it, also where it was refused. Empty: nobody, or nobody who is known. */
  readonly user: string
  readonly remote: string
  readonly userAgent: string
}

export function accessLine(record: AccessRecord, format: 'json' | 'text'): string {
  const duration = Math.round(record.duration * 100) / 100
  if (format === 'json')
    return JSON.stringify({ ...record, time: new Date(record.time).toISOString(), duration })
  const { method, path, status, bytesIn, bytesOut, user, remote, id } = record
  const time = new Date(record.time).toISOString().slice(11, 23)
  return `${time} ${status} ${method.padEnd(6)} ${printable(path)} in=${bytesIn} out=${bytesOut} ${duration}ms ${user === '' ? '-' : printable(user)} ${remote} ${id}`
}

/** The record of a request that was answered, or could not be. `sent` is in bytes. */
export function accessRecord(access: {
  readonly request: ServerRequest
  readonly endpoint: Endpoint | undefined
  readonly route: Route | undefined
  readonly status: number
  readonly sent: number
  readonly milliseconds: number
  readonly time: number
}): AccessRecord {
  const { request, endpoint, route, status, sent, milliseconds, time } = access
  return {
    time,
    id: request.id,
    method: request.method,
    path: request.path,
    route: endpoint?.path ?? 'none',
    right: route?.right ?? 'none',
    status,
    bytesIn: request.bytesIn,
    bytesOut: sent,
    duration: milliseconds,
    user: userOf(request),
    remote: request.presented.address,
    userAgent: request.header('user-agent') ?? '',
  }
}

/** A request that is challenged for credentials has no user yet. */
function userOf({ caller, identified }: ServerRequest): string {
  if (caller !== undefined) return caller.principal.name
  return identified === undefined || identified.kind === 'anonymous' ? '' : identified.name
}

/** The client chooses the path and the user name: control characters must not reach a terminal. */
function printable(path: string): string {
  return path.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 500)
}
