import type { AuditObjects } from '../blobs/audit-objects.ts'
import type { BlobStore } from '../blobs/blob-store.ts'
import { Reserve } from '../blobs/reserve.ts'
import { openDiskBlobStore } from '../blobs/disk/disk-blob-store.ts'
import { Generations } from '../metadata/cache/generations.ts'
import { SharedCache } from '../metadata/cache/shared-cache.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import type { PostgresTicket, SqliteTicket, Ticket } from './ticket.ts'

export interface MetadataOptions {
  /** The thread's own memory for cached reads. */
  readonly cacheBytes: number
  /** Called for each answer that is stale. */
  readonly onStale?: () => void
}

/** Opens this thread's metadata store, which the caller closes. */
export function openMetadata({ metadata }: Ticket, options: MetadataOptions): Promise<MetadataStore> {
  return metadata.kind === 'sqlite' ? openSqlite(metadata, options) : openPostgres(metadata, options)
}

// Each engine is loaded only where it is used.

async function openSqlite(
  { folder, writer, generations, shared }: SqliteTicket,
  { cacheBytes }: MetadataOptions,
): Promise<MetadataStore> {
  const [{ openSqliteMetadata }, { PortRunner }] = await Promise.all([
    import('../metadata/sqlite/sqlite-metadata-store.ts'),
    import('../metadata/sqlite/writer-port.ts'),
  ])
  return openSqliteMetadata({
    folder,
    changes: new PortRunner(writer),
    generations: new Generations(generations),
    cacheBytes,
    ...sharedCacheOf(shared),
  })
}

async function openPostgres(ticket: PostgresTicket, options: MetadataOptions): Promise<MetadataStore> {
  const [{ openPostgresMetadata }, { connectOptions }, { defaultOutboxBound }] = await Promise.all([
    import('../metadata/postgres/postgres-metadata-store.ts'),
    import('../metadata/postgres/connect-options.ts'),
    import('../metadata/rules/outbox-bound.ts'),
  ])
  return openPostgresMetadata({
    connect: () => connectOptions(ticket),
    lanes: ticket.lanes,
    generations: new Generations(ticket.generations),
    ...options,
    holder: ticket.holder,
    limits: ticket.limits,
    folder: ticket.folder,
    bound: { ...defaultOutboxBound, beyond: ticket.unrecorded },
    ...sharedCacheOf(ticket.shared),
  })
}

function sharedCacheOf(shared: SqliteTicket['shared']): { readonly sharedCache?: SharedCache } {
  return shared === undefined ? {} : { sharedCache: SharedCache.attach(shared.cache, shared.worker) }
}

/**
 * Opens the segments of an audit log that several processes write, which the caller closes; undefined: the log is
 * files of this one.
 */
export async function openAuditObjects({ blobs, isShared }: Ticket): Promise<AuditObjects | undefined> {
  if (!isShared || blobs.kind !== 'bucket') return undefined
  return (await import('./bucket/audit-objects.ts')).openBucketAudit(blobs)
}

/** Opens this thread's blob store, which the caller closes. */
export async function openBlobs({ blobs }: Ticket): Promise<BlobStore> {
  // Loaded only here: undici costs a thread some megabytes.
  if (blobs.kind === 'bucket') return (await import('./bucket/bucket-store.ts')).openBucketStore(blobs)
  const { bufferBudget, kind: _kind, reserve, ...rest } = blobs
  return openDiskBlobStore({
    ...rest,
    reserve: new Reserve(reserve),
    ...(bufferBudget !== undefined && { bufferBudget }),
  })
}
