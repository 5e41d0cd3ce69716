import type { MetadataStore } from '../metadata/metadata-store.ts'
import type { OpenedContent } from './content-engine.ts'
import type { LocalStores, StorageSettings } from './storage-engine.ts'

/** Opens the blobs beside `metadata` for a command, which may use the reserve. If that fails, `metadata` is closed. */
export async function openStoresWith(
  metadata: MetadataStore,
  { settings, content }: { readonly settings: StorageSettings; readonly content: OpenedContent },
): Promise<LocalStores> {
  try {
    const blobs = await content.openStore({ ...settings, reserve: 0 })
    return {
      metadata,
      blobs,
      async close() {
        await blobs.close()
        await metadata.close()
      },
    }
  } catch (error) {
    await metadata.close()
    throw error
  }
}
