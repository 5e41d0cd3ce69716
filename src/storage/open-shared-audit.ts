import type { AuditObjects } from '../blobs/audit-objects.ts'
import { findCredentials } from '../blobs/s3/credentials/find-source.ts'
import type { AuditChainReads } from '../metadata/audit-chain.ts'
import type { Outbox } from '../metadata/outbox.ts'
import { connectChecked } from '../metadata/postgres/check-server.ts'
import type { Connection } from '../metadata/postgres/connection.ts'
import { openDatabaseAudit } from '../metadata/postgres/kept-audit.ts'
import { UserError } from '../user-error.ts'
import { openBucketAudit } from './bucket/audit-objects.ts'
import { readKeptLocation } from './bucket/kept-location.ts'
import type { StorageSettings } from './storage-engine.ts'

/** The audit log of a registry that several processes serve, to be read while none or any number does. */
export interface KeptAudit {
  readonly heads: Pick<Outbox, 'head' | 'key'>
  readonly chain: AuditChainReads
  readonly objects: AuditObjects
  close(): Promise<void>
}

/**
 * Opens the audit log of a registry for which `isShared` holds. Changes nothing. Throws UserError AUDIT_MISSING if
 * there is none, and as `connectChecked` and `readKeptLocation`.
 */
export async function openSharedAudit(settings: StorageSettings): Promise<KeptAudit> {
  const { database, folder, s3, env } = settings
  const location = s3 ?? readKeptLocation(folder)?.location
  if (database === undefined || location === undefined) throw new TypeError('the registry is not shared')
  const connection = await connectChecked(database, 1)
  try {
    if (!(await hasAudit(connection))) throw noAudit()
  } finally {
    connection.close()
  }
  const { heads, chain, close } = openDatabaseAudit({ ...database, pooler: connection.pooler })
  const objects = openBucketAudit({
    location,
    credentials: findCredentials(env, env['HOME'] ?? '/', location.region),
  })
  return {
    heads,
    chain,
    objects,
    async close() {
      close()
      await objects.close()
    },
  }
}

async function hasAudit(connection: Connection): Promise<boolean> {
  const { rows } = await connection.run<{ has: number }>(
    `select to_regclass('audit_head') is not null as has`,
  )
  return rows[0]?.has === 1
}

function noAudit(): UserError {
  return new UserError('AUDIT_MISSING', 'the database holds no audit log', {
    hint: 'Name the database of the registry with --database, and start trow serve once if it has just been upgraded.',
  })
}
