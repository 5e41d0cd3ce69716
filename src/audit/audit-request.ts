import { logNames, type LogName } from './chain.ts'
import { verifierOf, type HeadStore, type WitnessedHeads } from './log-head.ts'
import type { AuditEvent } from './event-schema.ts'
import { followAudit, queryAudit, type AuditPosition, type AuditQuery, type PositionEvent } from './query.ts'
import { verifyLog, type VerifyEvent } from './verify.ts'

/** A log in its folder, and the second place; undefined where a folder is looked at by itself. */
export interface AuditSource {
  readonly folder: string
  readonly heads: Pick<HeadStore, 'head' | 'key'> | undefined
}

export interface KeyEvent {
  readonly kind: 'key'
  /** Undefined: there is none yet. */
  readonly verifier: string | undefined
}

/** What can be asked, each under a path of its own. */
export const auditKinds = ['query', 'follow', 'verify', 'key'] as const satisfies AuditRequest['kind'][]

/** What can be asked of an audit log; the same from the terminal on a folder and of a server. */
export type AuditRequest =
  | { readonly kind: 'query'; readonly query: AuditQuery; readonly limit: number }
  /** `after`: goes on from there instead of from now. */
  | { readonly kind: 'follow'; readonly query: AuditQuery; readonly after?: AuditPosition | undefined }
  | {
      readonly kind: 'verify'
      readonly log: LogName | undefined
      readonly key?: string | undefined
      /** Heads that were kept elsewhere, to be compared as well. */
      readonly witnessed?: WitnessedHeads | undefined
    }
  | { readonly kind: 'key' }

const look = 200

/** Holds a page of lines at most, and reads on only as it is asked. */
export async function* readAudit(
  source: AuditSource,
  request: AuditRequest,
  signal: AbortSignal,
): AsyncGenerator<AuditEvent | PositionEvent | VerifyEvent | KeyEvent> {
  switch (request.kind) {
    case 'query':
      yield* queryAudit(source.folder, request.query, request.limit)
      return
    case 'follow': {
      const wait = (): Promise<void> => pause(look, signal)
      yield* followAudit(source.folder, request.query, { signal, wait, after: request.after })
      return
    }
    case 'verify': {
      const { key, witnessed } = request
      const verifier = key ?? (await keyOf(source))
      for (const log of request.log === undefined ? logNames : [request.log]) {
        // Before the log is read: it may grow meanwhile.
        const head = await source.heads?.head(log)
        yield* verifyLog({ folder: source.folder, log, head, verifier, witnessed })
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
