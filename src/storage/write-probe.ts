import { FreeSpace } from '../blobs/disk/free-space.ts'
import type { Reserve } from '../blobs/reserve.ts'
import type { ContentEngine } from './content-engine.ts'
import type { StorageSettings, WriteState } from './storage-engine.ts'

/** Tests whether a durable write succeeds: the data folder has room, metadata and blobs can be stored. */
export class WriteProbe {
  readonly #space: FreeSpace
  readonly #content: ContentEngine
  readonly #testMetadata: () => Promise<unknown>

  constructor(
    { folder }: Pick<StorageSettings, 'folder'>,
    reserve: Reserve,
    content: ContentEngine,
    testMetadata: () => Promise<unknown>,
  ) {
    this.#space = new FreeSpace(folder, reserve)
    this.#content = content
    this.#testMetadata = testMetadata
  }

  /** Rejects with the reason of the metadata or the blobs. */
  async state(): Promise<WriteState> {
    const freeBytes = await this.#space.room()
    const fileSystem = await this.#space.fileSystem()
    const room = { freeBytes, ...(fileSystem && { fileSystem }) }
    if (freeBytes <= 0)
      return { health: { ok: false, reason: 'the disk is full up to the reserve' }, ...room }
    await Promise.all([this.#testMetadata(), this.#content.probe()])
    return { health: { ok: true }, ...room }
  }
}
