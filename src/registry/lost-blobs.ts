import type { BlobStore } from '../blobs/blob-store.ts'
import type { InventoryBlob } from '../metadata/inventory-store.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'

const page = 100
const atOnce = 10

/**
 * Blobs whose bytes are missing or incomplete. Their bytes are not read: `checkStorage` does that. `proceed` is called
 * before each look and throws to stop.
 */
export async function* findLostBlobs(
  { metadata, blobs }: { readonly metadata: MetadataStore; readonly blobs: BlobStore },
  proceed: () => Promise<void>,
): AsyncGenerator<InventoryBlob> {
  const { inventory } = metadata
  const isLost = async (blob: InventoryBlob): Promise<boolean> => {
    const { content, digest, size } = blob
    if (content.kind === 'inline' || (await blobs.size(content.key)) === size) return false
    // Asked again: it may have been deleted since the page was read.
    return inventory.hasContent(digest, content)
  }
  for (let after: string | undefined; ;) {
    const { items, next } = await inventory.blobs({ limit: page, ...(after !== undefined && { after }) })
    for (let start = 0; start < items.length; start += atOnce) {
      await proceed()
      const some = items.slice(start, start + atOnce)
      const lost = await Promise.all(some.map(isLost))
      yield* some.filter((_, index) => lost[index])
    }
    if (next === undefined) return
    after = next
  }
}
