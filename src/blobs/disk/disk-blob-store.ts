import { counted } from '../../counted.ts'
import fs, { type Stats } from 'node:fs'
import { join } from 'node:path'
import { OciError } from '../../oci/oci-error.ts'
import {
  isDataKey,
  newDataKey,
  type BlobReader,
  type BlobStore,
  type ByteSource,
  type DataKey,
  type UploadContent,
  type Received,
  type ReceiveOptions,
  type StagedContent,
  type StoredObject,
} from '../blob-store.ts'
import type { BlobNotes } from '../blob-notes.ts'
import { Reserve } from '../reserve.ts'
import { drain } from '../drain.ts'
import { blobFolders, blobPath, stateFolder, type BlobState } from './blob-path.ts'
import { BufferPool } from './buffer-pool.ts'
import { FreeSpace } from './free-space.ts'
import { Semaphore } from './semaphore.ts'
import { AlignedMemory, DirectIo } from './direct-io.ts'
import { FileReader } from './file-reader.ts'
import { FolderNotes } from './folder-notes.ts'
import { exists, flushFolder, statFile, unlink, hasErrorCode, systemCall } from './system-calls.ts'
import { OpenFiles } from './open-files.ts'
import { StagedFile, type StagedFileParts } from './staged-file.ts'

export interface DiskBlobStoreOptions {
  readonly folder: string
  /** Bytes of the file system that stay free. */
  readonly reserve: number | Reserve
  /** Concurrent flushes in this thread; all threads together should use at most half of libuv's pool. */
  readonly flushes?: number
  /** Bytes of this thread's buffers, counted separately for reading and for writing. */
  readonly bufferBudget?: number
  /** Idle descriptors that are kept open. */
  readonly openFiles?: number
}

/** Creates the store's folders if they are missing. */
export async function openDiskBlobStore(options: DiskBlobStoreOptions): Promise<BlobStore> {
  const { folder, reserve, flushes = 4, bufferBudget = 64 * 2 ** 20, openFiles = 256 } = options
  const folders = [
    stateFolder(folder, 'staged', ''),
    ...blobFolders.map((name) => stateFolder(folder, 'published', name)),
  ]
  for (const path of folders) fs.mkdirSync(path, { recursive: true, mode: 0o700 })
  // Flushed once here, so that `publish` only has to flush its own sub-folder.
  await flushFolder(join(folder, 'blobs'))
  await flushFolder(folder)
  const aligned = new AlignedMemory(bufferBudget / 2)
  return new DiskBlobStore({
    folder,
    space: new FreeSpace(folder, typeof reserve === 'number' ? Reserve.of(reserve) : reserve),
    flushes: new Semaphore(flushes),
    readBuffers: new BufferPool(bufferBudget),
    writeBuffers: new BufferPool(bufferBudget, (size) => aligned.allocate(size)),
    direct: new DirectIo(),
    files: new OpenFiles(openFiles),
  })
}

interface Parts {
  readonly folder: string
  readonly space: FreeSpace
  readonly flushes: Semaphore
  readonly readBuffers: BufferPool
  readonly writeBuffers: BufferPool
  readonly direct: DirectIo
  readonly files: OpenFiles
}

class DiskBlobStore implements BlobStore {
  readonly notes: BlobNotes
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
    this.notes = new FolderNotes(parts.folder)
  }

  async receive(source: ByteSource, options: ReceiveOptions, signal?: AbortSignal): Promise<Received> {
    const { content } = options
    let staged = content.kind === 'staged' ? await this.#reopen(content.key, content.size) : undefined
    let key = content.kind === 'staged' ? content.key : undefined
    const small: Uint8Array[] = content.kind === 'inline' ? [content.bytes] : []
    let smallSize = content.kind === 'inline' ? content.bytes.length : 0
    const spill = async (): Promise<void> => {
      key = newDataKey()
      staged = await this.#create(key)
      for (const chunk of small.splice(0)) await staged.append(chunk)
    }
    const append = (chunk: Uint8Array): Promise<void> | undefined => {
      if (staged !== undefined) return staged.append(chunk)
      smallSize += chunk.length
      // Copied, because the source may reuse the chunk's memory.
      small.push(Uint8Array.from(chunk))
      return smallSize > options.inlineLimit ? spill() : undefined
    }
    try {
      const outcome = await drain(source, options, { append }, signal)
      if (staged === undefined || key === undefined) {
        return { ...outcome, content: { kind: 'inline', bytes: Buffer.concat(small) } }
      }
      await staged.finish()
      const size = (content.kind === 'staged' ? content.size : content.bytes.length) + outcome.received
      await staged.close()
      return { ...outcome, content: { kind: 'staged', key, size } }
    } catch (error) {
      await staged?.close()
      if (key !== undefined) await this.#restore(key, content)
      throw hasErrorCode(error, 'ENOSPC', 'EDQUOT') ? this.#parts.space.full(error) : error
    }
  }

  async publish({ key }: Pick<StagedContent, 'key'>): Promise<DataKey> {
    const { folder } = this.#parts
    const target = this.#path('published', key)
    const rename = (): Promise<void> =>
      systemCall((done) => fs.rename(this.#path('staged', key), target, done))
    try {
      await rename()
    } catch (error) {
      if (!hasErrorCode(error, 'ENOENT')) throw error
      if (!(await exists(target))) {
        if (!(await exists(this.#path('staged', key)))) throw unknownUpload(key, error)
        // The sub-folder was removed from outside.
        await systemCall((done) => fs.mkdir(stateFolder(folder, 'published', key.slice(0, 2)), 0o700, done))
        await flushFolder(join(folder, 'blobs'))
        await rename()
      }
    }
    await flushFolder(stateFolder(folder, 'published', key.slice(0, 2)))
    return key
  }

  async adopt(key: DataKey, source: ByteSource, signal?: AbortSignal): Promise<number> {
    const staged = await this.#create(key)
    let size = 0
    try {
      for await (const chunk of source) {
        signal?.throwIfAborted()
        size += chunk.length
        await staged.append(chunk)
      }
      await staged.finish()
      await staged.close()
    } catch (error) {
      await staged.close()
      await this.#restore(key, { kind: 'inline', bytes: Buffer.alloc(0) })
      throw hasErrorCode(error, 'ENOSPC', 'EDQUOT') ? this.#parts.space.full(error) : error
    }
    await this.publish({ key })
    return size
  }

  async size(key: DataKey): Promise<number | undefined> {
    return (await statFile(this.#path('published', key)))?.size
  }

  open(key: DataKey): Promise<BlobReader | undefined> {
    return this.#open(this.#path('published', key))
  }

  async openStaged({ key }: StagedContent): Promise<BlobReader | undefined> {
    const path = this.#path('staged', key)
    // A staged file grows, so a shared descriptor would have an old size.
    this.#parts.files.drop(path)
    return await this.#open(path)
  }

  async remove(key: DataKey): Promise<void> {
    for (const state of ['staged', 'published'] as const) {
      const path = this.#path(state, key)
      this.#parts.files.drop(path)
      await unlink(path)
      this.#parts.files.drop(path)
    }
  }

  async *list(): AsyncIterable<StoredObject> {
    yield* this.#listFolder(stateFolder(this.#parts.folder, 'staged', ''))
    for (const name of blobFolders) {
      yield* this.#listFolder(stateFolder(this.#parts.folder, 'published', name))
    }
  }

  dropUnfinished(): Promise<number> {
    // What a writer that died has left is listed.
    return Promise.resolve(0)
  }

  async *#listFolder(path: string): AsyncIterable<StoredObject> {
    let names: string[]
    try {
      names = await systemCall<string[]>((done) => fs.readdir(path, done))
    } catch (error) {
      if (hasErrorCode(error, 'ENOENT')) return
      throw error
    }
    for (const name of names) {
      if (!isDataKey(name)) continue
      const stats = await statFile(join(path, name))
      if (stats?.isFile()) yield { key: name, size: stats.size, modifiedAt: stats.mtimeMs }
    }
  }

  room(): Promise<number> {
    return this.#parts.space.room()
  }

  async close(): Promise<void> {
    this.#parts.files.close()
  }

  #path(state: BlobState, key: DataKey): string {
    return blobPath(this.#parts.folder, state, key)
  }

  async #create(key: DataKey): Promise<StagedFile> {
    await this.#parts.space.demand()
    const path = this.#path('staged', key)
    const fd = await systemCall<number>((done) => fs.open(path, 'wx', 0o600, done))
    return this.#staged({ path, fd, size: 0, dirty: false })
  }

  async #reopen(key: DataKey, size: number): Promise<StagedFile> {
    await this.#parts.space.demand()
    const path = this.#path('staged', key)
    let fd: number
    try {
      fd = await systemCall<number>((done) => fs.open(path, 'r+', done))
    } catch (error) {
      throw hasErrorCode(error, 'ENOENT') ? unknownUpload(key, error) : error
    }
    try {
      const stats = await systemCall<Stats>((done) => fs.fstat(fd, done))
      if (stats.size < size)
        throw unknownUpload(key, new Error(`${counted(size, 'byte')} expected, ${stats.size} there`))
      if (stats.size > size) await systemCall((done) => fs.ftruncate(fd, size, done))
      return this.#staged({ path, fd, size, dirty: stats.size > size })
    } catch (error) {
      fs.close(fd, () => {})
      throw error
    }
  }

  #staged(file: Pick<StagedFileParts, 'path' | 'fd' | 'size' | 'dirty'>): StagedFile {
    const { flushes, space, direct, writeBuffers: buffers } = this.#parts
    return new StagedFile({ ...file, flushes, buffers, direct, space })
  }

  async #restore(key: DataKey, content: UploadContent): Promise<void> {
    const path = this.#path('staged', key)
    // Best effort: the original error is more useful, and the next `receive` cuts the file again.
    const restored =
      content.kind === 'inline' ? unlink(path) : systemCall((done) => fs.truncate(path, content.size, done))
    await restored.catch(() => {})
  }

  async #open(path: string): Promise<BlobReader | undefined> {
    const { files, readBuffers } = this.#parts
    const file = await files.acquire(path)
    if (file === undefined) return undefined
    return new FileReader(file, files, readBuffers)
  }
}

function unknownUpload(key: DataKey, cause: unknown): OciError {
  return new OciError('BLOB_UPLOAD_UNKNOWN', 'the bytes of this upload are gone', {
    detail: `the staged content ${key} is not there any more: begin the upload anew`,
    cause,
  })
}
