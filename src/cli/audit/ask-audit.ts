import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { databasePath } from '../../metadata/sql/sqlite-file.ts'
import { openKeptHeads } from '../../metadata/sql/kept-heads.ts'
import { UserError } from '../../user-error.ts'
import { requestPath } from '../control/audit-routes.ts'
import { askServer, readEvents } from '../control/control-client.ts'
import { settingsOf } from '../serve/command.ts'
import type { Terminal } from '../streams.ts'
import { auditEvents, auditFolder, type AuditRequest } from './audit-source.ts'

/**
 * Asks the server of the data folder, else the folder itself, which needs no lock: lines are only added, and heads are read
 * from the database as any reader does. Throws UserError AUDIT_MISSING where there is no log.
 */
export async function* askAudit(
  options: Readonly<Record<string, unknown>>,
  terminal: Terminal,
  request: AuditRequest,
  signal: AbortSignal = new AbortController().signal,
): AsyncGenerator<object> {
  const other = options['folder'] as string | undefined
  if (other !== undefined) {
    yield* auditEvents({ folder: existing(other), heads: undefined }, request, signal)
    return
  }
  const data = resolve(settingsOf({ ...options, folder: undefined }, terminal).settings.data)
  const reply = await askServer(data, 'GET', requestPath(request))
  if (reply?.statusCode === 200) {
    signal.addEventListener('abort', () => reply.destroy())
    yield* readEvents<object>(reply)
    return
  }
  // A server that knows nothing of it: an older one.
  reply?.resume()
  const folder = existing(auditFolder(data))
  const heads = existsSync(databasePath(data)) ? openKeptHeads(data) : undefined
  try {
    yield* auditEvents({ folder, heads }, request, signal)
  } finally {
    heads?.close()
  }
}

function existing(folder: string): string {
  if (existsSync(folder)) return folder
  throw new UserError('AUDIT_MISSING', `${folder} does not exist: there is no audit log`, {
    hint: 'Name the data folder of the registry with --data, or the folder of the log with --folder.',
  })
}
