import type { BlobStore } from '../blobs/blob-store.ts'
import { openDiskBlobStore } from '../blobs/disk/disk-blob-store.ts'
import { Generations } from '../metadata/cache/generations.ts'
import { SharedCache } from '../metadata/cache/shared-cache.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { openSqliteMetadata } from '../metadata/sqlite/sqlite-metadata-store.ts'
import { PortRunner } from '../metadata/sqlite/writer-port.ts'
import type { Ticket } from './ticket.ts'

/** This thread's store of metadata, to be closed. `cacheBytes`: its own memory for what it has read. */
export function openMetadata(
  { metadata: { folder, writer, generations, shared } }: Ticket,
  { cacheBytes }: { readonly cacheBytes: number },
): Promise<MetadataStore> {
  return Promise.resolve(
    openSqliteMetadata({
      folder,
      changes: new PortRunner(writer),
      generations: new Generations(generations),
      cacheBytes,
      ...(shared && { sharedCache: SharedCache.attach(shared.cache, shared.worker) }),
    }),
  )
}

/** This thread's store of bytes, to be closed. */
export function openBlobs({ blobs }: Ticket): Promise<BlobStore> {
  const { bufferBudget, ...rest } = blobs
  return openDiskBlobStore({ ...rest, ...(bufferBudget !== undefined && { bufferBudget }) })
}
