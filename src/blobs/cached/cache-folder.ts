import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { open, readdir, stat, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '../../error-code.ts'
import { isDataKey, type DataKey } from '../blob-store.ts'
import type { FillingPaths } from './filling.ts'
import type { CacheSpace } from './cache-space.ts'

const partEnding = '.part'
/** Milliseconds after which a hit counts as a new use. */
const useInterval = 10 * 60_000
/** Of the limit, what stays after room was made. */
const kept = 7 / 8

/** The files of the cache: `<key>`, whole, and `<key>.part`, which is being filled. */
export class CacheFolder {
  readonly #path: string
  readonly #space: CacheSpace

  constructor(path: string, space: CacheSpace) {
    this.#path = path
    this.#space = space
  }

  pathsOf(key: DataKey): FillingPaths {
    if (!isDataKey(key)) throw new TypeError('not a data key')
    const whole = join(this.#path, key)
    return { whole, part: `${whole}${partEnding}` }
  }

  has(key: DataKey): Promise<boolean> {
    return stat(this.pathsOf(key).whole).then(
      () => true,
      () => false,
    )
  }

  /** Opens a whole file and counts the use; undefined: there is none. */
  async open(key: DataKey): Promise<{ readonly handle: FileHandle; readonly size: number } | undefined> {
    const handle = await openExisting(this.pathsOf(key).whole)
    if (handle === undefined) return undefined
    try {
      const { size, mtimeMs } = await handle.stat()
      const now = Date.now()
      // The time of the file is that of its last use. Nothing depends on whether this succeeds.
      if (now - mtimeMs > useInterval) handle.utimes(now / 1000, now / 1000).catch(() => undefined)
      return { handle, size }
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** Removes a file, whole or not, and no error if there is none. */
  async remove(key: DataKey): Promise<void> {
    await this.#unlink(this.pathsOf(key).whole)
    await this.removePart(key)
  }

  /** The room of the file is given back by who fills it. */
  async removePart(key: DataKey): Promise<void> {
    await unlink(this.pathsOf(key).part).catch(() => undefined)
  }

  /** Takes room for a file; false: there is none, even after the files that were not used longest are removed. */
  async takeRoom(bytes: number): Promise<boolean> {
    if (this.#space.take(bytes)) return true
    if (bytes > this.#space.limit * (1 - kept)) return false
    await this.#space.alone(() => this.#makeRoom())
    return this.#space.take(bytes)
  }

  giveRoom(bytes: number): void {
    this.#space.give(bytes)
  }

  async #makeRoom(): Promise<void> {
    const files: { readonly path: string; readonly used: number }[] = []
    for (const name of await readdir(this.#path)) {
      const path = join(this.#path, name)
      const stats = isDataKey(name) ? await stat(path).catch(() => undefined) : undefined
      if (stats !== undefined) files.push({ path, used: stats.mtimeMs })
    }
    files.sort((a, b) => a.used - b.used)
    for (const { path } of files) {
      if (this.#space.used <= this.#space.limit * kept) return
      await this.#unlink(path)
    }
  }

  async #unlink(path: string): Promise<void> {
    const stats = await stat(path).catch(() => undefined)
    try {
      await unlink(path)
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return
      throw error
    }
    if (stats !== undefined) this.#space.give(stats.size)
  }
}

/** Prepares the folder before any thread uses it, and counts what is in it. */
export function prepareCache(path: string, space: CacheSpace): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  for (const name of readdirSync(path)) {
    const file = join(path, name)
    if (!isDataKey(name)) rmSync(file, { recursive: true, force: true })
    else if (!space.take(statSync(file).size)) rmSync(file, { force: true })
  }
}

export async function openExisting(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}
