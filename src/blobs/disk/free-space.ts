import fs, { type StatsFs } from 'node:fs'
import { OciError } from '../../oci/oci-error.ts'
import type { Reserve } from '../reserve.ts'
import { systemCall } from './system-calls.ts'

interface FileSystemSpace {
  readonly freeBytes: number
  readonly sizeBytes: number
}

/** Asks the file system for its free space at most once a second, and sooner after large writes. */
export class FreeSpace {
  readonly #folder: string
  readonly #reserve: Reserve
  #answer: Promise<FileSystemSpace> | undefined
  #written = 0

  constructor(folder: string, reserve: Reserve) {
    this.#folder = folder
    this.#reserve = reserve
  }

  /** Bytes above the reserve; negative when below it. */
  async room(): Promise<number> {
    return (await this.fileSystem()).freeBytes - this.#reserve.bytes
  }

  /** Of the folder. */
  fileSystem(): Promise<FileSystemSpace> {
    if (this.#answer === undefined) {
      const answer = this.#ask()
      this.#answer = answer
      const forget = (): void => {
        if (this.#answer === answer) this.#answer = undefined
      }
      answer.then(() => setTimeout(forget, 1000).unref(), forget)
    }
    return this.#answer
  }

  /**
   * Counts bytes that this thread has written, so that a cached value is not used while gigabytes are
   * written.
   */
  wrote(bytes: number): void {
    this.#written += bytes
    // Several threads write at once: none may use more than a small part of the reserve before the next
    // check.
    if (this.#written < this.#reserve.bytes / 64) return
    this.#written = 0
    this.#answer = undefined
  }

  /** Throws OciError STORAGE_FULL if the reserve is reached. */
  async demand(): Promise<void> {
    const room = await this.room()
    if (room <= 0) throw this.full()
  }

  full(cause?: unknown): OciError {
    return new OciError('STORAGE_FULL', 'the registry has no room for this content', {
      detail: `the disk is full up to the reserve of ${Math.ceil(this.#reserve.bytes / 2 ** 20)} MiB; pulls and deletions still work: delete what is not needed, collect the garbage or give the registry a larger disk, then push again`,
      cause,
    })
  }

  async #ask(): Promise<FileSystemSpace> {
    const stats = await systemCall<StatsFs>((done) => fs.statfs(this.#folder, done))
    return { freeBytes: stats.bavail * stats.bsize, sizeBytes: stats.blocks * stats.bsize }
  }
}
