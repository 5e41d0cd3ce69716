import { open, rename, stat, unlink, type FileHandle } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorCode } from '../../error-code.ts'
import type { BlobReader } from '../blob-store.ts'

/** Milliseconds. */
const lookInterval = 10
const longestSilence = 10_000

/** A file that grows until it has `size` bytes. Its bytes are read while it does. */
export interface Filling {
  readonly size: number
  /**
   * Resolves to the number of bytes that can be read, once it is more than `at`; `undefined`: no more will come, ask the
   * origin.
   */
  beyond(at: number): Promise<number | undefined>
}

export interface FillingPaths {
  /** While it is filled. */
  readonly part: string
  readonly whole: string
}

/** Creates the file; undefined: another thread fills it already. */
export async function createPart(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'wx', 0o600)
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return undefined
    throw error
  }
}

/** Fills a file from a store, as fast as both can, however slow its readers are. */
export class OwnFilling implements Filling {
  readonly size: number
  /** Resolves to whether the file is whole. Never rejects. */
  readonly done: Promise<boolean>
  #written = 0
  #isOver = false
  #grown = Promise.withResolvers<void>()

  constructor(source: BlobReader, part: FileHandle, paths: FillingPaths) {
    this.size = source.size
    this.done = this.#fill(source, part, paths)
  }

  async beyond(at: number): Promise<number | undefined> {
    while (this.#written <= at && !this.#isOver) await this.#grown.promise
    return this.#written > at ? this.#written : undefined
  }

  async #fill(source: BlobReader, part: FileHandle, paths: FillingPaths): Promise<boolean> {
    try {
      for await (const chunk of source.stream()) {
        await part.write(chunk, 0, chunk.length, this.#written)
        this.#written += chunk.length
        this.#tell()
      }
      // Flushed, so that a file that is there after a power cut is whole.
      await part.datasync()
      if (this.#written !== this.size) throw new Error('the store gave fewer bytes than it announced')
      await rename(paths.part, paths.whole)
      return true
    } catch {
      // Who reads asks the origin, which says what is wrong.
      await unlink(paths.part).catch(() => undefined)
      return false
    } finally {
      this.#isOver = true
      this.#tell()
      source.close()
      await part.close().catch(() => undefined)
    }
  }

  #tell(): void {
    const grown = this.#grown
    this.#grown = Promise.withResolvers()
    grown.resolve()
  }
}

/** A file that another thread fills: looked at again and again. */
export class ForeignFilling implements Filling {
  readonly size: number
  readonly #paths: FillingPaths

  constructor(size: number, paths: FillingPaths) {
    this.size = size
    this.#paths = paths
  }

  async beyond(at: number): Promise<number | undefined> {
    const since = performance.now()
    for (;;) {
      const part = await stat(this.#paths.part).catch(() => undefined)
      if (part === undefined) return (await stat(this.#paths.whole).catch(() => undefined))?.size
      if (part.size > at) return part.size
      if (performance.now() - since > longestSilence) {
        // Its thread has died: the next request fills it anew.
        await unlink(this.#paths.part).catch(() => undefined)
        return undefined
      }
      await sleep(lookInterval)
    }
  }
}
