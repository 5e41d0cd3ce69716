import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { readAudit, type AuditRequest } from '../../audit/audit-request.ts'
import { printAuditRequest } from '../../audit/request-parameters.ts'
import { openKeptHeads } from '../../storage/open-engines.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { askServer, readEvents } from '../control/control-client.ts'
import { namedOrigin } from '../registry/target.ts'
import { settingsOf } from '../setting-options.ts'
import { storageSettings } from '../../serve/storage-settings.ts'
import type { Terminal } from '../streams.ts'
import { auditFolder } from '../../serve/audit/audit-folder.ts'
import type { AuditOptions } from './audit-options.ts'

/**
 * Asks the folder that is named (--folder, --data, --config, or their variables), else a registry that is, else the one in
 * the cluster of the kube context, else ./trow-data. Throws UserError AUDIT_MISSING where there is no log, and those of the
 * registry and the cluster.
 */
export async function* askAudit(
  options: AuditOptions,
  terminal: Terminal,
  request: AuditRequest,
  signal: AbortSignal = new AbortController().signal,
): AsyncGenerator<object> {
  const folder = options['folder'] as string | undefined
  const isFolderNamed = (folder ?? options['data'] ?? options['config']) !== undefined
  const { registry, kubeconfig, context, namespace } = options
  const isOtherNamed = (registry ?? kubeconfig ?? context ?? namespace) !== undefined
  if (isFolderNamed && isOtherNamed) {
    throw new UserError('CONFIG_INVALID', 'both a folder and a registry are named', {
      hint: 'Leave out --folder, --data and --config, or what names a registry or a cluster.',
      exitCode: exitCode.usage,
    })
  }
  if (folder !== undefined) {
    yield* readAudit({ folder: existing(folder), heads: undefined }, request, signal)
    return
  }
  const { env } = terminal
  if (isFolderNamed || (!isOtherNamed && (env['TROW_DATA'] ?? env['TROW_CONFIG']) !== undefined)) {
    yield* askDataFolder(options, terminal, request, signal)
    return
  }
  // Loaded here: what is asked of a folder needs none of it.
  const { askNamedRegistry, askCluster } = await import('./ask-registry.ts')
  const origin = namedOrigin(options, terminal)
  if (origin !== undefined) {
    yield* askNamedRegistry(origin, { options, terminal, request, signal })
    return
  }
  const { findRegistry } = await import('../cluster/found-registry.ts')
  const found = await findRegistry(options, terminal)
  yield* found === undefined
    ? askDataFolder(options, terminal, request, signal)
    : askCluster(found, { options, terminal, request, signal })
}

/** Its server, else the folder itself, which needs no lock: lines are only added, and heads are read as any reader does. */
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
  // A server that knows nothing of it: an older one.
  reply?.resume()
  const folder = existing(auditFolder(settings, data))
  const heads = await openKeptHeads({ ...storageSettings(settings), folder: data })
  try {
    yield* readAudit({ folder, heads }, request, signal)
  } finally {
    heads?.close()
  }
}

function existing(folder: string): string {
  if (existsSync(folder)) return folder
  throw new UserError('AUDIT_MISSING', `${folder} does not exist: there is no audit log`, {
    hint: 'Name the data folder of the registry with --data, the folder of the log with --folder, or the registry with --registry.',
  })
}
