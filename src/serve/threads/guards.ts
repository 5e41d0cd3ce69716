import type { Writable } from 'node:stream'
import type { Log } from '../../log.ts'
import type { Ticket } from '../../storage/ticket.ts'
import { isAccessControlled, isAudited } from '../../settings/access-settings.ts'
import type { FileChanged } from '../audit/file-change.ts'
import { watchClientCa } from '../tls/client-ca-file.ts'
import { ClientAuthorityList } from '../tls/client-authorities.ts'
import { ServedThread } from './served-thread.ts'
import type { AccessMain, AuditMain, MaintenanceStart } from './thread-protocol.ts'

/** The threads that decide access and write the audit log; undefined where the settings use neither. */
export interface Guards {
  readonly access: ServedThread | undefined
  readonly audit: ServedThread | undefined
  readonly authorities: ClientAuthorityList
}

/** Throws the UserErrors of the threads' settings. */
export async function startGuards(
  start: Omit<MaintenanceStart, 'storage'>,
  parts: {
    readonly attach: () => Ticket
    readonly log: Log
    /** Receives the audit lines meant for standard output. */
    readonly lines: Writable
    /** Stops what was started when the server ends, however it ends. */
    readonly cleanup: AsyncDisposableStack
    /** Called when the htpasswd file was read again. */
    readonly onUsersChanged: () => void
    /** Receives what is different in files that were read again. */
    readonly changed: FileChanged
  },
): Promise<Guards> {
  const { settings } = start
  const { log, cleanup } = parts
  const authorities = new ClientAuthorityList()
  const clientCa = settings['client-ca']
  if (clientCa !== undefined && !settings.kubernetes)
    cleanup.defer(
      watchClientCa(clientCa, { log, changed: parts.changed }, (pem) => authorities.setCluster(pem)),
    )
  const launch = async (module: string, local: AccessMain | AuditMain): Promise<ServedThread> => {
    const storage = parts.attach()
    const thread = await ServedThread.start(module, { ...start, storage }, storage.ports, {
      onError: (error) => log.error('a thread died', { thread: module, stack: error.stack }),
      local,
    })
    cleanup.defer(() => thread.stop())
    return thread
  }
  const audit = isAudited(settings)
    ? await launch('audit-thread', { lines: (lines) => void parts.lines.write(lines) })
    : undefined
  if (!isAccessControlled(settings)) return { access: undefined, audit, authorities }
  const access = await launch('access-thread', {
    clientAuthority: (cluster) => authorities.setCluster(cluster),
    usersChanged: (change) => {
      parts.onUsersChanged()
      if (change !== undefined) parts.changed(change)
    },
  })
  if (settings.kubernetes) {
    // The certificate modules are loaded only where they are used. If no CA was given, the access thread has
    // created it by now.
    const { openSigningAuthority } = await import('../tls/signing-authority.ts')
    const own = await openSigningAuthority(settings, log, parts.changed)
    cleanup.defer(() => own.close())
    authorities.setOwn(own.current.bundle)
    own.onChange(({ bundle }) => authorities.setOwn(bundle))
  }
  return { access, audit, authorities }
}
