import { constants } from 'node:fs'
import { mkdir, open, rename, rm, rmdir } from 'node:fs/promises'
import { basename, dirname } from 'node:path/posix'
import { errorCode } from '../error-code.ts'
import { MachineFolder } from '../trust/machine-folder.ts'

/** A file for root alone in a folder of its own, `/var/lib/trow-node`. Links in it are never followed. */
export class PrivateFile {
  readonly #root: string
  readonly #path: string

  /** `path`: on the machine. */
  constructor(hostRoot: string, path: string) {
    this.#root = hostRoot
    this.#path = path
  }

  /** Undefined: there is no such file, it is a link, or another user has made it. */
  async read(): Promise<string | undefined> {
    return this.#within(async (folder) => {
      if ((await folder.ownFile(this.#name)) === undefined) return undefined
      const handle = await open(folder.at(this.#name), constants.O_RDONLY | constants.O_NOFOLLOW)
      try {
        return await handle.readFile('utf8')
      } finally {
        await handle.close()
      }
    })
  }

  /** Writes the file in one step, with mode 0600. Rejects if others than root may write into its folder. */
  async write(text: string): Promise<void> {
    const above = await MachineFolder.open(this.#root, dirname(dirname(this.#path)))
    try {
      await mkdir(above.at(basename(dirname(this.#path))), { mode: 0o700 }).catch(unlessCode('EEXIST'))
    } finally {
      await above.close()
    }
    await this.#within(async (folder) => {
      if (!(await folder.isOwners()))
        throw new Error(`others than root may write into ${dirname(this.#path)}`)
      const part = folder.at(`${this.#name}.new`)
      await rm(part, { recursive: true, force: true })
      const handle = await open(part, 'wx', 0o600)
      try {
        await handle.chmod(0o600)
        await handle.writeFile(text)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(part, folder.at(this.#name))
      await folder.flush()
    })
  }

  /** Removes the file, and its folder if it is empty. True: the file existed. */
  async remove(): Promise<boolean> {
    const removed = await this.#within(async (folder) => {
      let found = false
      for (const name of [this.#name, `${this.#name}.new`]) {
        if ((await folder.ownFile(name)) === undefined) continue
        found ||= name === this.#name
        await rm(folder.at(name), { force: true })
      }
      return found
    })
    if (removed !== true) return false
    const above = await MachineFolder.open(this.#root, dirname(dirname(this.#path)))
    try {
      await rmdir(above.at(basename(dirname(this.#path)))).catch(
        unlessCode('ENOENT', 'ENOTEMPTY', 'EEXIST', 'EBUSY', 'ENOTDIR'),
      )
    } finally {
      await above.close()
    }
    return true
  }

  /** Undefined: the folder does not exist. */
  async #within<Result>(work: (folder: MachineFolder) => Promise<Result>): Promise<Result | undefined> {
    const folder = await MachineFolder.open(this.#root, dirname(this.#path)).catch(
      unlessCode('ENOENT', 'ENOTDIR'),
    )
    if (folder === undefined) return undefined
    try {
      return await work(folder)
    } finally {
      await folder.close()
    }
  }

  get #name(): string {
    return basename(this.#path)
  }
}

function unlessCode(...codes: readonly string[]): (error: unknown) => undefined {
  return (error) => {
    if (!codes.includes(errorCode(error) ?? '')) throw error
    return undefined
  }
}
