import type { BlobNotes } from '../blob-notes.ts'
import type {
  BlobReader,
  BlobStore,
  ByteSource,
  DataKey,
  Received,
  ReceiveOptions,
  StagedContent,
  StoredObject,
} from '../blob-store.ts'
import { openExisting, type CacheFolder } from './cache-folder.ts'
import { CachedReader } from './cached-reader.ts'
import { createPart, ForeignFilling, OwnFilling, type Filling } from './filling.ts'

/**
 * Keeps what is read often from a slow store in files of this machine. However many ask for a blob at once, in however many
 * threads, it is fetched once. A cache that fails costs speed and nothing else.
 */
export class CachedBlobStore implements BlobStore {
  readonly notes: BlobNotes
  readonly #origin: BlobStore
  readonly #folder: CacheFolder
  readonly #fillings = new Map<DataKey, Promise<Filling | undefined>>()

  constructor(origin: BlobStore, folder: CacheFolder) {
    this.notes = origin.notes
    this.#origin = origin
    this.#folder = folder
  }

  async open(key: DataKey): Promise<BlobReader | undefined> {
    const kept = await this.#openKept(key)
    if (kept !== undefined) return kept
    let source: BlobReader | undefined
    let beginning = this.#fillings.get(key)
    if (beginning === undefined) {
      beginning = this.#begin(key, (reader) => (source = reader)).catch(() => undefined)
      this.#fillings.set(key, beginning)
      beginning.then(
        async (filling) => {
          if (filling instanceof OwnFilling) await filling.done
          this.#fillings.delete(key)
        },
        () => undefined,
      )
    }
    const filling = await beginning
    const handle = filling && (await openExisting(this.#folder.pathsOf(key).part).catch(() => undefined))
    if (filling !== undefined && handle !== undefined)
      return new CachedReader({ size: filling.size, handle, filling, origin: () => this.#origin.open(key) })
    // It may have become whole meanwhile.
    const whole = source === undefined ? await this.#openKept(key) : undefined
    return whole ?? source ?? this.#origin.open(key)
  }

  async remove(key: DataKey): Promise<void> {
    await this.#origin.remove(key)
    await this.#folder.remove(key).catch(() => undefined)
  }

  receive(source: ByteSource, options: ReceiveOptions, signal?: AbortSignal): Promise<Received> {
    return this.#origin.receive(source, options, signal)
  }

  publish(content: StagedContent): Promise<DataKey> {
    return this.#origin.publish(content)
  }

  adopt(key: DataKey, source: ByteSource, signal?: AbortSignal): Promise<number> {
    return this.#origin.adopt(key, source, signal)
  }

  size(key: DataKey): Promise<number | undefined> {
    return this.#origin.size(key)
  }

  openStaged(content: StagedContent): Promise<BlobReader | undefined> {
    return this.#origin.openStaged(content)
  }

  list(): AsyncIterable<StoredObject> {
    return this.#origin.list()
  }

  dropUnfinished(before: number): Promise<number> {
    return this.#origin.dropUnfinished(before)
  }

  room(): Promise<number> {
    return this.#origin.room()
  }

  async close(): Promise<void> {
    await this.#origin.close()
    for (const filling of await Promise.all(this.#fillings.values())) {
      if (filling instanceof OwnFilling) await filling.done
    }
  }

  async #openKept(key: DataKey): Promise<BlobReader | undefined> {
    const kept = await this.#folder.open(key).catch(() => undefined)
    return kept && new CachedReader({ ...kept, filling: undefined, origin: () => this.#origin.open(key) })
  }

  /** Begins to fill a file. Undefined: the blob is not there, or is not to be cached; then `keep` has its reader, if any. */
  async #begin(key: DataKey, keep: (reader: BlobReader) => void): Promise<Filling | undefined> {
    const paths = this.#folder.pathsOf(key)
    const part = await createPart(paths.part)
    if (part === undefined) {
      const followed = await this.#origin.size(key)
      return followed === undefined ? undefined : new ForeignFilling(followed, paths)
    }
    let reader: BlobReader | undefined
    let hasRoom = false
    try {
      // Another thread may have filled it since this one looked.
      if (await this.#folder.has(key)) return undefined
      reader = await this.#origin.open(key)
      hasRoom =
        reader !== undefined && (await this.#origin.room()) > 0 && (await this.#folder.takeRoom(reader.size))
    } finally {
      if (!hasRoom) {
        await part.close()
        await this.#folder.removePart(key)
      }
    }
    if (reader === undefined) return undefined
    if (!hasRoom) {
      keep(reader)
      return undefined
    }
    const { size } = reader
    const filling = new OwnFilling(reader, part, paths)
    filling.done.then(
      (isWhole) => !isWhole && this.#folder.giveRoom(size),
      () => undefined,
    )
    return filling
  }
}
