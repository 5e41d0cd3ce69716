import type { ContentEngine } from './content-engine.ts'
import type { ServeOptions, StorageSettings } from './storage-engine.ts'
import type { BlobTicket } from './ticket.ts'

/** Bytes of buffers for blobs, for all workers together. */
const bufferBytes = 16 * 1024 * 1024

/** Blobs as files of the data folder. */
export class FolderContent implements ContentEngine {
  readonly place = 'folder'
  readonly #settings: StorageSettings
  readonly #options: ServeOptions

  constructor(settings: StorageSettings, options: ServeOptions) {
    this.#settings = settings
    this.#options = options
  }

  /** Flushes of all workers take at most half of libuv's pool, so that reads do not wait for them. */
  ticket(worker?: number): BlobTicket {
    const { workers, poolSize, reserve } = this.#options
    const common = { kind: 'folder', folder: this.#settings.folder, reserve: reserve.buffer } as const
    if (worker === undefined) return { ...common, flushes: 1, bufferBudget: undefined }
    return {
      ...common,
      flushes: Math.max(1, Math.floor(poolSize / 2 / workers)),
      bufferBudget: Math.floor(bufferBytes / workers),
    }
  }

  /** `WriteProbe` looks at the disk. */
  probe(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
