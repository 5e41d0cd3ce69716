import { join } from 'node:path'
import { logNames, type LogName } from '../../audit/chain.ts'
import { verifierOf, type HeadStore } from '../../audit/log-head.ts'
import { followAudit, queryAudit, type AuditEvent, type AuditQuery } from '../../audit/query.ts'
import { verifyLog, type VerifyEvent } from '../../audit/verify.ts'

/** A log in its folder, and the second place; undefined where a folder is looked at by itself. */
export interface AuditSource {
  readonly folder: string
  readonly heads: Pick<HeadStore, 'head' | 'key'> | undefined
}

/** Where the log of a data folder is. */
export function auditFolder(data: string): string {
  return join(data, 'audit')
}

export interface KeyEvent {
  readonly kind: 'key'
  /** Undefined: there is none yet. */
  readonly verifier: string | undefined
}

/** What can be asked of an audit log; the same from the terminal on a folder and through a server. */
export type AuditRequest =
  | { readonly kind: 'query'; readonly query: AuditQuery; readonly limit: number }
  | { readonly kind: 'follow'; readonly query: AuditQuery }
  | { readonly kind: 'verify'; readonly log: LogName | undefined; readonly key?: string | undefined }
  | { readonly kind: 'key' }

const look = 200

export async function* auditEvents(
  source: AuditSource,
  request: AuditRequest,
  signal: AbortSignal,
): AsyncGenerator<AuditEvent | VerifyEvent | KeyEvent> {
  switch (request.kind) {
    case 'query':
      yield* await queryAudit(source.folder, request.query, request.limit)
      return
    case 'follow': {
      const wait = (): Promise<void> => pause(look, signal)
      yield* followAudit(source.folder, request.query, { signal, wait })
      return
    }
    case 'verify': {
      const verifier = request.key ?? (await keyOf(source))
      for (const log of request.log === undefined ? logNames : [request.log]) {
        // Before the log is read: it may grow meanwhile.
        const head = await source.heads?.head(log)
        yield* verifyLog({ folder: source.folder, log, head, verifier })
      }
      return
    }
    case 'key':
      yield { kind: 'key', verifier: await keyOf(source) }
  }
}

async function keyOf({ heads }: AuditSource): Promise<string | undefined> {
  return heads === undefined ? undefined : verifierOf(heads)
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    signal.addEventListener('abort', done)
  })
}
