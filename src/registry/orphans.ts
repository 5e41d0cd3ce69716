import type { BlobStore, DataKey } from '../blobs/blob-store.ts'
import type { Lease } from '../metadata/garbage-store.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'

const batch = 500

/** Milliseconds. Younger files may belong to a push that is not recorded in the metadata yet. */
export const orphanAge = 24 * 3_600_000

export interface OrphanParts {
  readonly metadata: MetadataStore
  readonly blobs: BlobStore
  readonly clocks: { wall(): number }
  /** See `GarbagePolicy.deleteDelay`: a database that goes back in time finds these bytes, too. */
  readonly policy: { readonly deleteDelay?: number | undefined }
}

export interface Orphan {
  readonly key: DataKey
  readonly size: number
}

/** Files that no row names: a crash between the writing of a file and its commit leaves one. */
export async function* findOrphans(parts: OrphanParts): AsyncGenerator<Orphan> {
  for await (const some of orphanBatches(parts)) yield* some
}

/**
 * Gives the orphans to the pending deletions, and drops what was never written to its end; returns the number of
 * what was dropped. `proceed` is called before each step and throws to stop.
 */
export async function pendOrphans(
  parts: OrphanParts,
  lease: Lease,
  proceed: () => Promise<void>,
): Promise<number> {
  await proceed()
  const dropped = await parts.blobs.dropUnfinished((await timeOf(parts)) - orphanAge)
  for await (const some of orphanBatches(parts)) {
    await proceed()
    await parts.metadata.garbage.pendOrphans({ keys: some.map(({ key }) => key), lease })
  }
  return dropped
}

async function* orphanBatches(parts: OrphanParts): AsyncGenerator<readonly Orphan[]> {
  const { metadata, blobs, policy } = parts
  const before = (await timeOf(parts)) - Math.max(orphanAge, policy.deleteDelay ?? 0)
  let candidates = new Map<DataKey, number>()
  for await (const { key, size, modifiedAt } of blobs.list()) {
    if (modifiedAt < before) candidates.set(key, size)
    if (candidates.size < batch) continue
    yield await unknown(metadata, candidates)
    candidates = new Map()
  }
  yield await unknown(metadata, candidates)
}

async function unknown(
  metadata: MetadataStore,
  candidates: ReadonlyMap<DataKey, number>,
): Promise<readonly Orphan[]> {
  const keys = await metadata.inventory.unknownKeys([...candidates.keys()])
  return keys.map((key) => ({ key, size: candidates.get(key) ?? 0 }))
}

function timeOf({ metadata, clocks }: OrphanParts): Promise<number> {
  return metadata.garbage.time(clocks.wall())
}
