import type { BlobStore, DataKey } from '../blobs/blob-store.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'

const batch = 500

/** Files younger than this may belong to a push that has not told the metadata yet. */
export const orphanAge = 24 * 3_600_000

export interface OrphanParts {
  readonly metadata: MetadataStore
  readonly blobs: BlobStore
  readonly clocks: { wall(): number }
}

/** Bytes that no row knows: a crash between writing them and the commit leaves such. */
export async function* findOrphans({ metadata, blobs, clocks }: OrphanParts): AsyncGenerator<{
  readonly key: DataKey
  readonly size: number
}> {
  const before = clocks.wall() - orphanAge
  let candidates = new Map<DataKey, number>()
  for await (const { key, size, modifiedAt } of blobs.list()) {
    if (modifiedAt < before) candidates.set(key, size)
    if (candidates.size < batch) continue
    yield* unknown(metadata, candidates)
    candidates = new Map()
  }
  yield* unknown(metadata, candidates)
}

/** Removes them; returns how many there were. `proceed` is asked before each, and throws where it is to end. */
export async function removeOrphans(parts: OrphanParts, proceed: () => Promise<void>): Promise<number> {
  let removed = 0
  for await (const { key } of findOrphans(parts)) {
    await proceed()
    await parts.blobs.remove(key)
    removed++
  }
  return removed
}

async function* unknown(
  metadata: MetadataStore,
  candidates: ReadonlyMap<DataKey, number>,
): AsyncGenerator<{ readonly key: DataKey; readonly size: number }> {
  for (const key of await metadata.inventory.unknownKeys([...candidates.keys()])) {
    yield { key, size: candidates.get(key) ?? 0 }
  }
}
