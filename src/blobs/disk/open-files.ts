import fs, { type Stats } from 'node:fs'
import { hasErrorCode, systemCall } from './system-call.ts'

export interface OpenFile {
  readonly fd: number
  readonly size: number
}

interface Entry extends OpenFile {
  users: number
  /** Forgotten by the cache: closes with its last user. */
  dropped: boolean
  idleSweeps: number
}

const sweepInterval = 1000
const sweepsUntilClose = 3

/**
 * Descriptors of immutable files by path, shared and kept open for a while: at most `limit` idle ones, each for
 * a few seconds, so that a file that was removed by another thread frees its space.
 */
export class OpenFiles {
  readonly #limit: number
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>()
  readonly #opening = new Map<string, Promise<Entry | undefined>>()
  #timer: NodeJS.Timeout | undefined

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Undefined when there is no such file. Every file got is to be released once. */
  async acquire(path: string): Promise<OpenFile | undefined> {
    let entry = this.#entries.get(path)
    if (entry === undefined) {
      let opening = this.#opening.get(path)
      if (opening === undefined) {
        opening = this.#open(path).finally(() => this.#opening.delete(path))
        this.#opening.set(path, opening)
      }
      entry = await opening
      if (entry === undefined) return undefined
      // Closed or dropped between its opening and this turn.
      if (entry.dropped && entry.users === 0) return await this.acquire(path)
    }
    entry.users++
    entry.idleSweeps = 0
    if (!entry.dropped) {
      this.#entries.delete(path)
      this.#entries.set(path, entry)
    }
    this.#evict()
    return entry
  }

  release(file: OpenFile): void {
    const entry = file as Entry
    entry.users--
    if (entry.dropped && entry.users === 0) fs.close(entry.fd, () => {})
    else this.#evict()
  }

  /** Its users keep it; the next `acquire` asks the file system. */
  drop(path: string): void {
    const entry = this.#entries.get(path)
    if (entry === undefined) return
    this.#entries.delete(path)
    entry.dropped = true
    if (entry.users === 0) fs.close(entry.fd, () => {})
  }

  close(): void {
    for (const path of this.#entries.keys()) this.drop(path)
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  async #open(path: string): Promise<Entry | undefined> {
    let fd: number
    try {
      fd = await systemCall<number>((done) => fs.open(path, 'r', done))
    } catch (error) {
      if (hasErrorCode(error, 'ENOENT')) return undefined
      throw error
    }
    try {
      const { size } = await systemCall<Stats>((done) => fs.fstat(fd, done))
      const entry = { fd, size, users: 0, dropped: false, idleSweeps: 0 }
      this.#entries.set(path, entry)
      this.#timer ??= setInterval(() => this.#sweep(), sweepInterval).unref()
      return entry
    } catch (error) {
      fs.close(fd, () => {})
      throw error
    }
  }

  #evict(): void {
    if (this.#entries.size <= this.#limit) return
    for (const [path, entry] of this.#entries) {
      if (entry.users > 0) continue
      this.drop(path)
      if (this.#entries.size <= this.#limit) return
    }
  }

  #sweep(): void {
    for (const [path, entry] of this.#entries) {
      if (entry.users === 0 && ++entry.idleSweeps >= sweepsUntilClose) this.drop(path)
    }
    if (this.#entries.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
