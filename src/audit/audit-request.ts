import type { AuditLines } from './audit-store.ts'
import { logNames, type LogName } from './chain.ts'
import { verifierOf, type HeadStore, type WitnessedHeads } from './log-head.ts'
import type { AuditEvent } from './event-schema.ts'
import { followAudit, queryAudit, type AuditPosition, type AuditQuery, type PositionEvent } from './query.ts'
import { verifyLog, type VerifyEvent } from './verify.ts'

/** A log, and the store of its signed heads; `heads` is undefined where only the log is available. */
export interface AuditSource {
  readonly lines: AuditLines
  readonly heads: Pick<HeadStore, 'head' | 'key'> | undefined
}

export interface KeyEvent {
  readonly kind: 'key'
  /** Undefined: there is no key yet. */
  readonly verifier: string | undefined
}

/** The kinds of requests; each has its own path on the server. */
export const auditKinds = ['query', 'follow', 'verify', 'key'] as const satisfies AuditRequest['kind'][]

/** A request to an audit log, either from the command line for a folder or over HTTP to a server. */
export type AuditRequest =
  | { readonly kind: 'query'; readonly query: AuditQuery; readonly limit: number }
  /** `after`: continues from that position instead of from now. */
  | { readonly kind: 'follow'; readonly query: AuditQuery; readonly after?: AuditPosition | undefined }
  | {
      readonly kind: 'verify'
      readonly log: LogName | undefined
      readonly key?: string | undefined
      /** Heads stored elsewhere, to be compared too. */
      readonly witnessed?: WitnessedHeads | undefined
    }
  | { readonly kind: 'key' }

/** The events that answer a request, by its kind. */
interface Answers {
  readonly query: AuditEvent
  readonly follow: AuditEvent | PositionEvent
  readonly verify: VerifyEvent
  readonly key: KeyEvent
}

export type AnswerTo<Request extends AuditRequest> = Answers[Request['kind']]

const look = 200

/** Holds at most one page of lines, and reads more only as the caller takes them. */
export async function* readAudit(
  source: AuditSource,
  request: AuditRequest,
  signal: AbortSignal,
): AsyncGenerator<AnswerTo<AuditRequest>> {
  switch (request.kind) {
    case 'query':
      yield* queryAudit(source.lines, request.query, request.limit)
      return
    case 'follow': {
      const wait = (): Promise<void> => pause(look, signal)
      yield* followAudit(source.lines, request.query, { signal, wait, after: request.after })
      return
    }
    case 'verify': {
      const { key, witnessed } = request
      const verifier = key ?? (await keyOf(source))
      for (const log of request.log === undefined ? logNames : [request.log]) {
        // Read before the log, because the log may grow meanwhile.
        const head = await source.heads?.head(log)
        yield* verifyLog({ lines: source.lines, log, head, verifier, witnessed })
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
