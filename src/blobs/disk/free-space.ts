import fs, { type StatsFs } from 'node:fs'
import { OciError } from '../../oci/oci-error.ts'
import { systemCall } from './system-calls.ts'

/** Asks the file system how much room is left: at most once a second, and again when much was written since. */
export class FreeSpace {
  readonly #folder: string
  readonly #reserve: number
  #answer: Promise<number> | undefined
  #written = 0

  constructor(folder: string, reserve: number) {
    this.#folder = folder
    this.#reserve = reserve
  }

  /** Bytes above the reserve; negative below it. */
  room(): Promise<number> {
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

  /** Tells how much this thread has written, so that a second's answer is not believed for a gigabyte. */
  wrote(bytes: number): void {
    this.#written += bytes
    // Several threads write at once: none may use up more than a small part of the reserve unseen.
    if (this.#written < this.#reserve / 64) return
    this.#written = 0
    this.#answer = undefined
  }

  /** Throws OciError STORAGE_FULL at the reserve. */
  async demand(): Promise<void> {
    const room = await this.room()
    if (room <= 0) throw this.full()
  }

  full(cause?: unknown): OciError {
    return new OciError('STORAGE_FULL', 'the registry has no room for this content', {
      detail: `the disk is full up to the reserve of ${Math.ceil(this.#reserve / 2 ** 20)} MiB; pulls and deletions still work: delete what is not needed, collect the garbage or give the registry a larger disk, then push again`,
      cause,
    })
  }

  async #ask(): Promise<number> {
    const stats = await systemCall<StatsFs>((done) => fs.statfs(this.#folder, done))
    return stats.bavail * stats.bsize - this.#reserve
  }
}
