import fs, { type Stats } from 'node:fs'
import { hasErrorCode, systemCall } from './system-calls.ts'

export interface OpenFile {
  readonly fd: number
  readonly size: number
}

interface CachedFile extends OpenFile {
  users: number
  /** Removed from the cache; closed when its last user releases it. */
  dropped: boolean
  idleSweeps: number
}

interface Opening {
  entry?: Promise<CachedFile | undefined>
  users: number
}

const sweepInterval = 1000
const sweepsUntilClose = 3

/**
 * Shared descriptors of immutable files, by path. At most `limit` idle descriptors stay open, each for a few
 * seconds only, so that a file removed by another thread frees its space.
 */
export class OpenFiles {
  readonly #limit: number
  /** Least recently used first. */
  readonly #entries = new Map<string, CachedFile>()
  readonly #opening = new Map<string, Opening>()
  #timer: NodeJS.Timeout | undefined

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Undefined when there is no such file. Every acquired file must be released once. */
  async acquire(path: string): Promise<OpenFile | undefined> {
    const entry = this.#entries.get(path)
    if (entry !== undefined) {
      entry.users++
      entry.idleSweeps = 0
      // Moved to the end: now the most recently used.
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
    const entry = file as CachedFile
    entry.users--
    if (entry.dropped && entry.users === 0) fs.close(entry.fd, () => {})
    else this.#evict()
  }

  /** Current users keep the file; the next `acquire` opens the path again. */
  drop(path: string): void {
    // An opening in progress serves the callers that already wait for it, and no later ones.
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

  /** Counts every caller that has joined `opening` by the time the file is open as a user. */
  async #open(path: string, opening: Opening): Promise<CachedFile | undefined> {
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
