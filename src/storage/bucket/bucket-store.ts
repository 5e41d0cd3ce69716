import type { BlobStore } from '../../blobs/blob-store.ts'
import { CacheFolder } from '../../blobs/cached/cache-folder.ts'
import { CacheSpace } from '../../blobs/cached/cache-space.ts'
import { CachedBlobStore } from '../../blobs/cached/cached-blob-store.ts'
import { FreeSpace } from '../../blobs/disk/free-space.ts'
import { Reserve } from '../../blobs/reserve.ts'
import { S3BlobStore } from '../../blobs/s3/s3-blob-store.ts'
import { S3Client } from '../../blobs/s3/s3-client.ts'
import { S3Objects } from '../../blobs/s3/s3-objects.ts'
import type { BucketTicket } from '../ticket.ts'

/** Opens a bucket in the calling thread, which closes it. */
export function openBucketStore(ticket: BucketTicket): BlobStore {
  const { location, credentials, redirects, partBytes, folder, reserve, cache } = ticket
  const objects = new S3Objects(new S3Client(location, credentials))
  // The bucket has no end; the metadata beside it needs the disk.
  const space = new FreeSpace(folder, new Reserve(reserve))
  const store = new S3BlobStore({ objects, redirects, partBytes, room: () => space.room() })
  if (cache === undefined || redirects) return store
  return new CachedBlobStore(
    store,
    new CacheFolder(cache.folder, new CacheSpace(cache.limit, cache.counters)),
  )
}
