import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { prepareCache } from '../../blobs/cached/cache-folder.ts'
import { CacheSpace } from '../../blobs/cached/cache-space.ts'
import type { Reserve } from '../../blobs/reserve.ts'
import type { CredentialSource } from '../../blobs/s3/credentials/credentials.ts'
import { markerName } from '../../blobs/s3/object-names.ts'
import type { S3Location } from '../../blobs/s3/s3-location.ts'
import { S3Client } from '../../blobs/s3/s3-client.ts'
import { S3Objects } from '../../blobs/s3/s3-objects.ts'
import type { ContentEngine } from '../content-engine.ts'
import type { ServeOptions, StorageSettings } from '../storage-engine.ts'
import type { BlobTicket, BucketTicket } from '../ticket.ts'

/** Bytes of buffers for parts on their way to S3, in each thread: as many as one quick upload keeps busy. */
const partBytes = 32 * 1024 * 1024

interface Bucket {
  readonly location: S3Location
  readonly credentials: CredentialSource
}

/** A ticket for a thread that reads and writes little. */
export function bucketTicket(
  { folder }: Pick<StorageSettings, 'folder'>,
  bucket: Bucket,
  reserve: Reserve,
): BucketTicket {
  const { location, credentials } = bucket
  return {
    kind: 'bucket',
    location,
    credentials,
    redirects: false,
    partBytes,
    folder,
    reserve: reserve.buffer,
    cache: undefined,
  }
}

/** Blobs as objects of a bucket. */
export class BucketContent implements ContentEngine {
  readonly place = 'bucket'
  readonly #settings: StorageSettings
  readonly #options: ServeOptions
  readonly #bucket: Bucket
  readonly #objects: S3Objects
  readonly #cache: BucketTicket['cache']

  constructor(settings: StorageSettings, bucket: Bucket, options: ServeOptions) {
    this.#settings = settings
    this.#options = options
    this.#bucket = bucket
    this.#objects = new S3Objects(new S3Client(bucket.location, bucket.credentials))
    this.#cache = cacheOf(settings)
  }

  ticket(worker?: number): BlobTicket {
    const ticket = bucketTicket(this.#settings, this.#bucket, this.#options.reserve)
    if (worker === undefined) return ticket
    // Only workers read the same blobs again and again.
    return { ...ticket, redirects: this.#settings.s3Redirect, cache: this.#cache }
  }

  async probe(): Promise<void> {
    if ((await this.#objects.size(markerName)) === undefined)
      throw new Error('the bucket has lost the marker of this registry')
  }

  close(): Promise<void> {
    return this.#objects.client.close()
  }
}

/** Prepares the cache that the settings ask for; without one, what an earlier start has left of it goes. */
function cacheOf({ folder, cacheBytes }: StorageSettings): BucketTicket['cache'] {
  const path = join(folder, 'cache')
  if (cacheBytes === 0) {
    rmSync(path, { recursive: true, force: true })
    return undefined
  }
  const space = new CacheSpace(cacheBytes)
  prepareCache(path, space)
  return { folder: path, limit: cacheBytes, counters: space.buffer }
}
