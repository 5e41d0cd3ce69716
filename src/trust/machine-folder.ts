import { constants, type Stats } from 'node:fs'
import { lstat, open, readlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path/posix'
import { UserError } from '../user-error.ts'

const linkLimit = 40
const folderFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW

/**
 * A folder of a machine that is held open: names in it mean what is in that very folder, wherever its path leads by then
 * (as openat(2); Linux names it by `/proc/self/fd`).
 */
export class MachineFolder {
  readonly #handle: FileHandle
  /** Of the machine's root folder: user id. */
  readonly owner: number

  private constructor(handle: FileHandle, owner: number) {
    this.#handle = handle
    this.owner = owner
  }

  /**
   * Opens the folder of a path from the root on, name by name. A link is followed only where nobody but the machine's owner could
   * have put it: elsewhere somebody else would choose where files of root go. Throws UserError LINK_FOREIGN; rejects with
   * ENOENT or ENOTDIR where there is no such folder.
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

  /** A path of this process to what has the name in the folder; itself for an empty one. */
  at(name = ''): string {
    return name === '' ? nameOf(this.#handle) : join(nameOf(this.#handle), name)
  }

  /** Whether nobody but the machine's owner may put anything into it. */
  async isOwners(): Promise<boolean> {
    return isOwnersAlone(await this.#handle.stat(), this.owner)
  }

  /** What of the name is a file of the machine's owner's; undefined for links, and for what others have made. */
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

/** Nobody but the machine's owner (root, or the user of its root folder) may put anything into such a folder. */
export function isOwnersAlone({ uid, gid, mode }: Stats, owner: number): boolean {
  // A group of root's own is root's too.
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
