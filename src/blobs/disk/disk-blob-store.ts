import { randomBytes } from 'node:crypto'
import fs, { type Stats } from 'node:fs'
import { join } from 'node:path'
import { OciError } from '../../oci/oci-error.ts'
import type {
  BlobReader,
  BlobStore,
  ByteSource,
  DataKey,
  Held,
  Received,
  ReceiveOptions,
  StoredObject,
} from '../blob-store.ts'
import { blobFolders, blobPath, isDataKey, stateFolder } from './blob-path.ts'
import { BufferPool } from './buffer-pool.ts'
import { FreeSpace } from './free-space.ts'
import { Semaphore } from './semaphore.ts'
import { AlignedMemory, DirectIo } from './direct-io.ts'
import { FileReader } from './file-reader.ts'
import { exists, flushFolder, statFile, unlink, hasErrorCode, systemCall } from './system-calls.ts'
import { OpenFiles } from './open-files.ts'
import { drain } from './receive.ts'
import { StagedFile, type StagedFileParts } from './staged-file.ts'

export interface DiskBlobStoreOptions {
  readonly folder: string
  /** Bytes of the file system that stay free. */
  readonly reserve: number
  /** Flushes at once in this thread; all threads together at most half of libuv's pool. */
  readonly flushes?: number
  /** Bytes of buffers of this thread, once for reading and once for writing. */
  readonly bufferBudget?: number
  /** Idle descriptors that stay open. */
  readonly openFiles?: number
}

/** Creates the folders where they are missing. */
export async function openDiskBlobStore(options: DiskBlobStoreOptions): Promise<BlobStore> {
  const { folder, reserve, flushes = 4, bufferBudget = 64 * 2 ** 20, openFiles = 256 } = options
  const folders = [
    stateFolder(folder, 'staged', ''),
    ...blobFolders.map((name) => stateFolder(folder, 'published', name)),
  ]
  for (const path of folders) fs.mkdirSync(path, { recursive: true, mode: 0o700 })
  // Once and for all, so that no publish has to flush more than its own sub-folder.
  await flushFolder(join(folder, 'blobs'))
  await flushFolder(folder)
  const aligned = new AlignedMemory(bufferBudget / 2)
  return new DiskBlobStore({
    folder,
    space: new FreeSpace(folder, reserve),
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
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async receive(source: ByteSource, options: ReceiveOptions, signal?: AbortSignal): Promise<Received> {
    const { held } = options
    let staged = held.kind === 'staged' ? await this.#reopen(held.key, held.size) : undefined
    let key = held.kind === 'staged' ? held.key : undefined
    const small: Uint8Array[] = held.kind === 'inline' ? [held.bytes] : []
    let smallSize = held.kind === 'inline' ? held.bytes.length : 0
    const spill = async (): Promise<void> => {
      key = randomBytes(16).toString('hex') as DataKey
      staged = await this.#create(key)
      for (const chunk of small.splice(0)) await staged.append(chunk)
    }
    const append = (chunk: Uint8Array): Promise<void> | undefined => {
      if (staged !== undefined) return staged.append(chunk)
      smallSize += chunk.length
      // Copied: the source may use the chunk's memory again.
      small.push(Uint8Array.from(chunk))
      return smallSize > options.inlineLimit ? spill() : undefined
    }
    try {
      const outcome = await drain(source, options, { append }, signal)
      if (staged === undefined || key === undefined) {
        return { ...outcome, held: { kind: 'inline', bytes: Buffer.concat(small) } }
      }
      await staged.finish()
      const size = (held.kind === 'staged' ? held.size : held.bytes.length) + outcome.received
      await staged.close()
      return { ...outcome, held: { kind: 'staged', key, size } }
    } catch (error) {
      await staged?.close()
      if (key !== undefined) await this.#restore(key, held)
      throw hasErrorCode(error, 'ENOSPC', 'EDQUOT') ? this.#parts.space.full(error) : error
    }
  }

  async publish(key: DataKey): Promise<void> {
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
        // Somebody removed the sub-folder.
        await systemCall((done) => fs.mkdir(stateFolder(folder, 'published', key.slice(0, 2)), 0o700, done))
        await flushFolder(join(folder, 'blobs'))
        await rename()
      }
    }
    await flushFolder(stateFolder(folder, 'published', key.slice(0, 2)))
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
    await this.publish(key)
    return size
  }

  open(key: DataKey): Promise<BlobReader | undefined> {
    return this.#open(this.#path('published', key))
  }

  async openStaged(key: DataKey): Promise<BlobReader | undefined> {
    const path = this.#path('staged', key)
    // Staged files grow: a shared descriptor would know an old size.
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
    yield* this.#listFolder('staged', stateFolder(this.#parts.folder, 'staged', ''))
    for (const name of blobFolders) {
      yield* this.#listFolder('published', stateFolder(this.#parts.folder, 'published', name))
    }
  }

  async *#listFolder(state: StoredObject['state'], path: string): AsyncIterable<StoredObject> {
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
      if (stats?.isFile()) yield { key: name, size: stats.size, modifiedAt: stats.mtimeMs, state }
    }
  }

  room(): Promise<number> {
    return this.#parts.space.room()
  }

  async close(): Promise<void> {
    this.#parts.files.close()
  }

  #path(state: StoredObject['state'], key: DataKey): string {
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
        throw unknownUpload(key, new Error(`${size} bytes expected, ${stats.size} there`))
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

  async #restore(key: DataKey, held: Held): Promise<void> {
    const path = this.#path('staged', key)
    // Best effort: the error that brought us here says more, and the next `receive` cuts again.
    const restored =
      held.kind === 'inline' ? unlink(path) : systemCall((done) => fs.truncate(path, held.size, done))
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
