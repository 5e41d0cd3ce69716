import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { AuditAway } from '../../audit/audit-away.ts'
import type { AuditLines } from '../../audit/audit-store.ts'
import { FolderStore } from '../../audit/stores/folder/folder-store.ts'
import { readAudit, type AnswerTo, type AuditRequest } from '../../audit/audit-request.ts'
import { printAuditRequest } from '../../audit/request-parameters.ts'
import { OciError } from '../../oci/oci-error.ts'
import { isShared } from '../../storage/open-content.ts'
import { openKeptHeads } from '../../storage/open-engines.ts'
import type { StorageSettings } from '../../storage/storage-engine.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { askServer, readEvents } from '../control/control-client.ts'
import { settingsOf } from '../setting-options.ts'
import { registryFlag } from '../way/address.ts'
import { storageSettings } from '../../serve/storage-settings.ts'
import type { Terminal } from '../streams.ts'
import { auditFolder } from '../../serve/audit/audit-folder.ts'
import type { AuditOptions } from './audit-options.ts'

/**
 * Reads from the first of these: a folder or database that is named (--folder, --data, --database, --config, or
 * their variables), a
 * registry that is named, the registry in the cluster of the kube context, ./trow-data. Throws UserError
 * AUDIT_MISSING if there is no log, and the errors of the registry and the cluster.
 */
export function askAudit<Request extends AuditRequest>(
  options: AuditOptions,
  terminal: Terminal,
  request: Request,
  signal: AbortSignal = new AbortController().signal,
): AsyncGenerator<AnswerTo<Request>> {
  // Events are not checked one by one: a log is read, or a server's stream, of what is asked for here.
  return answersTo(options, terminal, request, signal) as AsyncGenerator<AnswerTo<Request>>
}

async function* answersTo(
  options: AuditOptions,
  terminal: Terminal,
  request: AuditRequest,
  signal: AbortSignal,
): AsyncGenerator<object> {
  const folder = options['folder'] as string | undefined
  const isFolderNamed = (folder ?? options['data'] ?? options['database'] ?? options['config']) !== undefined
  const { registry, kubeconfig, context, namespace } = options
  const isOtherNamed = (registry ?? kubeconfig ?? context ?? namespace) !== undefined
  if (isFolderNamed && isOtherNamed) {
    throw new UserError('CONFIG_INVALID', 'both a folder and a registry are named', {
      hint: 'Leave out --folder, --data, --database and --config, or what names a registry or a cluster.',
      exitCode: exitCode.usage,
    })
  }
  if (folder !== undefined) {
    yield* readAudit({ lines: existing(folder), heads: undefined }, request, signal)
    return
  }
  const { env } = terminal
  if (
    isFolderNamed ||
    (!isOtherNamed && (env['TROW_DATA'] ?? env['TROW_DATABASE'] ?? env['TROW_CONFIG']) !== undefined)
  ) {
    yield* askDataFolder(options, terminal, request, signal)
    return
  }
  // Loaded here: reading from a folder does not need these modules.
  const { askRegistry } = await import('./ask-registry.ts')
  const { findWayElsewhere } = await import('../way/find-way.ts')
  const found = await findWayElsewhere({ registry: registryFlag(options, terminal) }, options, terminal)
  yield* found === undefined
    ? askDataFolder(options, terminal, request, signal)
    : askRegistry(found, { terminal, request, signal })
}

/**
 * Asks the folder's server, or reads the folder itself if no server runs. The read needs no lock: lines are
 * only appended, and heads are read as by any reader.
 */
async function* askDataFolder(
  options: AuditOptions,
  terminal: Terminal,
  request: AuditRequest,
  signal: AbortSignal,
): AsyncGenerator<object> {
  const { settings } = await settingsOf(options, terminal)
  const data = resolve(settings.data)
  const reply = await askServer(data, 'GET', `/audit/${printAuditRequest(request)}`)
  if (reply?.statusCode === 200) {
    signal.addEventListener('abort', () => reply.destroy())
    yield* readEvents<object>(reply)
    return
  }
  // An older server does not know this request.
  reply?.resume()
  const places = { ...storageSettings(settings, terminal.env), folder: data }
  if (isShared(places)) {
    yield* readShared(places, request, signal)
    return
  }
  const lines = existing(auditFolder(settings, data))
  const heads = await openKeptHeads(places)
  try {
    yield* readAudit({ lines, heads }, request, signal)
  } finally {
    heads?.close()
  }
}

/** Reads the log that the processes of a registry write together. */
async function* readShared(
  places: StorageSettings,
  request: AuditRequest,
  signal: AbortSignal,
): AsyncGenerator<object> {
  // Loaded here: reading from a folder needs no database.
  const [{ openSharedAudit }, { SharedLines }] = await Promise.all([
    import('../../storage/open-shared-audit.ts'),
    import('../../audit/stores/shared/shared-lines.ts'),
  ])
  const kept = await openSharedAudit(places)
  try {
    yield* readAudit({ lines: new SharedLines(kept), heads: kept.heads }, request, signal)
  } catch (error) {
    if (!(error instanceof AuditAway) && !(error instanceof OciError)) throw error
    throw new UserError('AUDIT_UNUSABLE', error.message, {
      hint: 'Check that the database and the bucket answer, and that these credentials may read in the bucket.',
      cause: error,
    })
  } finally {
    await kept.close()
  }
}

function existing(folder: string): AuditLines {
  if (existsSync(folder)) return new FolderStore(folder)
  throw new UserError('AUDIT_MISSING', `${folder} does not exist: there is no audit log`, {
    hint: 'Name the data folder of the registry with --data, the folder of the log with --folder, or the registry with --registry.',
  })
}
