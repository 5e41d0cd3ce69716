import { createHash, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BlobStore } from '../../src/blobs/blob-store.ts'
import { openDiskBlobStore } from '../../src/blobs/disk/disk-blob-store.ts'
import { S3BlobStore } from '../../src/blobs/s3/s3-blob-store.ts'
import { S3Client } from '../../src/blobs/s3/s3-client.ts'
import { S3Objects } from '../../src/blobs/s3/s3-objects.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import { openLocalMetadata } from '../../src/metadata/sqlite/sqlite-metadata-store.ts'
import type { ByteRange } from '../../src/oci/byte-range.ts'
import { parseDigest, type Digest } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/repository-name.ts'
import type { ContentGuard } from '../../src/registry/content-guard.ts'
import { openRegistry } from '../../src/registry/open-registry.ts'
import type { Body, Registry } from '../../src/registry/registry.ts'
import type { Requester } from '../../src/registry/requester.ts'
import { missing } from '../requirements.ts'
import { s3Keys, s3Programs, startS3Server } from '../support/s3-server.ts'

export interface TestStores {
  readonly folder: string
  readonly metadata: MetadataStore
  readonly blobs: BlobStore
  readonly registry: Registry
  /** A clock that stands still until it is set. */
  readonly clock: { now: number; wall(): number; monotonic(): number }
  close(): Promise<void>
}

export const grace = 1_000_000

export const quiet = { debug() {}, info() {}, warn() {}, error() {} }

export interface StoreOptions {
  /** Makes the guard that judges content. */
  readonly guardOf?: (stores: { readonly metadata: MetadataStore; readonly blobs: BlobStore }) => ContentGuard
  /** Opens the blob store; else blobs are files of the folder. */
  readonly openBlobs?: () => Promise<BlobStore>
}

/** Where the blobs of a suite are, and why that cannot be tried here. */
export interface TestPlace {
  readonly name: string
  readonly skip: string | false
  readonly open: () => Promise<TestStores>
}

/** All places in which a registry may keep blobs. */
export const places: readonly TestPlace[] = [
  { name: 'in a folder', skip: false, open: () => openStores() },
  { name: 'in a bucket', skip: missing(...s3Programs), open: openBucketStores },
]

async function openBucketStores(): Promise<TestStores> {
  const server = await startS3Server()
  const bucket = await server.bucket('registry')
  const objects = new S3Objects(new S3Client(server.location(bucket), s3Keys))
  const room = (): Promise<number> => Promise.resolve(Infinity)
  const stores = await openStores({
    openBlobs: () => Promise.resolve(new S3BlobStore({ objects, partBytes: 64 * 2 ** 20, room })),
  })
  return {
    ...stores,
    async close() {
      await stores.close()
      await server.stop()
    },
  }
}

/** The real stores in a folder of their own, and a registry over them. */
export async function openStores({ guardOf, openBlobs }: StoreOptions = {}): Promise<TestStores> {
  const folder = mkdtempSync(join(tmpdir(), 'trow-registry-'))
  const metadata = openLocalMetadata({ folder })
  const blobs = await (openBlobs?.() ?? openDiskBlobStore({ folder, reserve: 0 }))
  const clock = { now: Date.now(), wall: () => clock.now, monotonic: () => clock.now }
  const limits = {
    inlineLimit: 1000,
    manifestLimit: 4 * 1024 * 1024,
    allowMissing: false,
    allowSparseIndex: false,
    grace,
  }
  const guard = guardOf?.({ metadata, blobs })
  const registry = openRegistry({
    metadata,
    blobs,
    guard,
    log: quiet,
    now: clock.wall,
    newId: randomUUID,
    limits,
    untagged: () => [],
  })
  return {
    folder,
    metadata,
    blobs,
    registry,
    clock,
    async close() {
      await blobs.close()
      await metadata.close()
      rmSync(folder, { recursive: true })
    },
  }
}

export const repository = parseRepositoryName('test/repository')

export function sha256(content: Uint8Array | string): Digest {
  return parseDigest(`sha256:${createHash('sha256').update(content).digest('hex')}`)
}

/** A body in chunks; `fail` makes it break off after all of them. */
export function bodyOf(
  content: Uint8Array,
  options: { readonly fail?: boolean; readonly chunk?: number; readonly range?: ByteRange | undefined } = {},
): Body {
  const { fail = false, chunk = 700 } = options
  return {
    length: fail ? content.length + 1 : content.length,
    range: options.range,
    onDemand: false,
    source: {
      async *[Symbol.asyncIterator]() {
        for (let start = 0; start < content.length; start += chunk)
          yield content.subarray(start, start + chunk)
        if (fail) throw new Error('the client went away')
      },
    },
  }
}

export function imageOf(layers: readonly (readonly [digest: Digest, size: number])[], note = ''): Buffer {
  const [config, ...rest] = layers.map(([digest, size]) => ({
    mediaType: 'application/vnd.example',
    digest,
    size,
  }))
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config,
      layers: rest,
      annotations: { note },
    }),
  )
}

/** A requester whose changes are not audited. */
export const requester: Requester = {
  name: 'anyone',
  reason: 'the test lets them',
  auditRecord: () => undefined,
  judged() {},
  refused: () => Promise.resolve(undefined),
}
