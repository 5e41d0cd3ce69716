import { constants, type Stats } from 'node:fs'
import { lstat, open, readlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path/posix'
import { UserError } from '../user-error.ts'

const linkLimit = 40
const folderFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW

/**
 * A folder of a machine that is held open. Names refer to this very folder, even if its path leads elsewhere
 * by then (as openat(2); Linux names it by `/proc/self/fd`).
 */
export class MachineFolder {
  readonly #handle: FileHandle
  /** The user id of the owner of the machine's root folder. */
  readonly owner: number

  private constructor(handle: FileHandle, owner: number) {
    this.#handle = handle
    this.owner = owner
  }

  /**
   * Opens the folder of a path from the root on, name by name. A link is followed only if nobody but the
   * machine's owner could have made it; otherwise another user could choose where root's files are written.
   * Throws UserError LINK_FOREIGN; rejects with ENOENT or ENOTDIR if there is no such folder.
   */
  static async open(root: string, path: string): Promise<MachineFolder> {
    const top = await open(root, constants.O_RDONLY | constants.O_DIRECTORY)
    const opened: FileHandle[] = [top]
    try {
      const { uid: owner } = await top.stat()
      const pending = parts(path)
      let links = 0
      for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
        const at = opened.at(-1) ?? top
        if (name === '..') {
          if (opened.length > 1) await opened.pop()?.close()
          continue
        }
        const inside = join(nameOf(at), name)
        if (!(await lstat(inside)).isSymbolicLink()) {
          opened.push(await open(inside, folderFlags))
          continue
        }
        if (!isOwnersAlone(await at.stat(), owner)) throw foreignLink(path, name)
        if (++links > linkLimit) throw new Error(`${path}: too many links`)
        const target = await readlink(inside)
        if (target.startsWith('/')) for (const each of opened.splice(1)) await each.close()
        pending.unshift(...parts(target))
      }
      const folder = opened.pop() ?? top
      return new MachineFolder(folder, owner)
    } finally {
      for (const each of opened) await each.close().catch(() => undefined)
    }
  }

  /** Returns a path for this process to a name in the folder; for an empty name to the folder itself. */
  at(name = ''): string {
    return name === '' ? nameOf(this.#handle) : join(nameOf(this.#handle), name)
  }

  /** Returns whether only the machine's owner can create files in it. */
  async isOwners(): Promise<boolean> {
    return isOwnersAlone(await this.#handle.stat(), this.owner)
  }

  /**
   * Returns the state of the name if it is a file of the machine's owner; `undefined` for links and for files
   * of others.
   */
  async ownFile(name: string): Promise<Stats | undefined> {
    const found = await lstat(this.at(name)).catch(() => undefined)
    const isOurs = found?.isFile() === true && (found.uid === 0 || found.uid === this.owner)
    return isOurs && found.nlink === 1 ? found : undefined
  }

  async flush(): Promise<void> {
    await this.#handle.sync()
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}

function nameOf({ fd }: FileHandle): string {
  return `/proc/self/fd/${fd}`
}

/**
 * Returns whether only the machine's owner (root, or the user of its root folder) can create files in such a
 * folder.
 */
export function isOwnersAlone({ uid, gid, mode }: Stats, owner: number): boolean {
  // A group with the id of root or of the owner counts as the owner.
  const isShared = (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && gid !== 0 && gid !== owner)
  return (uid === 0 || uid === owner) && !isShared
}

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.')
}

export function foreignLink(path: string, name: string): UserError {
  return new UserError(
    'LINK_FOREIGN',
    `${path} leads through the link ${name}, which another user than root could have made; nothing was written`,
    {
      hint: 'Take write rights from the folder of the link, or replace the link by a folder, and run this again.',
    },
  )
}
