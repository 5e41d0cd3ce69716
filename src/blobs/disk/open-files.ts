import fs, { type Stats } from 'node:fs'
import { hasErrorCode, systemCall } from './system-calls.ts'

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

interface Opening {
  entry?: Promise<Entry | undefined>
  users: number
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
  readonly #opening = new Map<string, Opening>()
  #timer: NodeJS.Timeout | undefined

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Undefined when there is no such file. Every file got is to be released once. */
  async acquire(path: string): Promise<OpenFile | undefined> {
    const entry = this.#entries.get(path)
    if (entry !== undefined) {
      entry.users++
      entry.idleSweeps = 0
      // The youngest again.
      this.#entries.delete(path)
      this.#entries.set(path, entry)
      return entry
    }
    let opening = this.#opening.get(path)
    if (opening === undefined) {
      opening = { users: 0 }
      opening.entry = this.#open(path, opening)
      this.#opening.set(path, opening)
    }
    opening.users++
    return await opening.entry
  }

  release(file: OpenFile): void {
    const entry = file as Entry
    entry.users--
    if (entry.dropped && entry.users === 0) fs.close(entry.fd, () => {})
    else this.#evict()
  }

  /** Its users keep it; the next `acquire` asks the file system. */
  drop(path: string): void {
    // An opening under way is for those who wait for it already, and for nobody later.
    this.#opening.delete(path)
    const entry = this.#entries.get(path)
    if (entry === undefined) return
    this.#entries.delete(path)
    entry.dropped = true
    if (entry.users === 0) fs.close(entry.fd, () => {})
  }

  close(): void {
    for (const path of [...this.#opening.keys(), ...this.#entries.keys()]) this.drop(path)
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** The entry belongs to all who have joined `opening` until then. */
  async #open(path: string, opening: Opening): Promise<Entry | undefined> {
    try {
      const file = await openFile(path)
      if (file === undefined) return undefined
      const current = this.#opening.get(path) === opening
      const entry = { ...file, users: opening.users, dropped: !current, idleSweeps: 0 }
      if (current) this.#entries.set(path, entry)
      this.#evict()
      this.#timer ??= setInterval(() => this.#sweep(), sweepInterval).unref()
      return entry
    } finally {
      if (this.#opening.get(path) === opening) this.#opening.delete(path)
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

async function openFile(path: string): Promise<OpenFile | undefined> {
  let fd: number
  try {
    fd = await systemCall<number>((done) => fs.open(path, 'r', done))
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined
    throw error
  }
  try {
    const { size } = await systemCall<Stats>((done) => fs.fstat(fd, done))
    return { fd, size }
  } catch (error) {
    fs.close(fd, () => {})
    throw error
  }
}
