import type { AuditStore } from '../../audit/audit-store.ts'
import { FolderStore } from '../../audit/stores/folder/folder-store.ts'
import type { MetadataStore } from '../../metadata/metadata-store.ts'
import { openAuditObjects } from '../../storage/thread-stores.ts'
import type { Ticket } from '../../storage/ticket.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import { auditFolder } from './audit-folder.ts'

export interface OpenAuditStore {
  readonly store: AuditStore
  close(): Promise<void>
}

/**
 * Opens the audit log of a server in one of its threads: in the database and the bucket where several processes
 * serve the registry, else in files.
 */
export async function openAuditStore(
  settings: Settings,
  storage: Ticket,
  { auditChain: chain }: Pick<MetadataStore, 'auditChain'>,
): Promise<OpenAuditStore> {
  const objects = await openAuditObjects(storage)
  if (objects === undefined || chain === undefined)
    return { store: new FolderStore(auditFolder(settings, settings.data)), close: () => Promise.resolve() }
  const { SharedStore } = await import('../../audit/stores/shared/shared-store.ts')
  return { store: new SharedStore({ chain, objects }), close: () => objects.close() }
}
