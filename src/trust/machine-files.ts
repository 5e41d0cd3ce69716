import { lstat, readdir, readFile, readlink, stat } from 'node:fs/promises'
import { basename, dirname, join, matchesGlob, normalize, relative } from 'node:path/posix'
import { errorCode } from '../error-code.ts'
import { foreignLink, isOwnersAlone } from './machine-folder.ts'

const linkLimit = 40

/**
 * The files of a machine whose root folder is mounted at `root`. Paths are absolute paths of the machine.
 * Links are followed as the machine follows them, so that an absolute one never leads out of the root.
 */
export class MachineFiles {
  readonly root: string

  constructor(root: string) {
    this.root = root
  }

  /**
   * Returns the path for this process, with every link followed. A part that does not exist keeps its name.
   */
  async locate(path: string): Promise<string> {
    return this.#follow(path, async () => {})
  }

  /** Calls `check` for each link before it is followed, with the folder that contains it. */
  async #follow(path: string, check: (folder: string, name: string) => Promise<void>): Promise<string> {
    const pending = parts(path)
    let at: string[] = []
    let links = 0
    for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
      if (name === '..') {
        at.pop()
        continue
      }
      const target = await readlink(join(this.root, ...at, name)).catch(() => undefined)
      if (target === undefined) {
        at.push(name)
        continue
      }
      await check(join(this.root, ...at), name)
      if (++links > linkLimit) throw new Error(`${path}: too many links`)
      if (target.startsWith('/')) at = []
      pending.unshift(...parts(target))
    }
    return join(this.root, ...at)
  }

  /**
   * Returns the machine's path with every link followed, for a file that will be written. Throws UserError
   * LINK_FOREIGN for a link that someone other than the machine's owner could have made.
   */
  async resolve(path: string): Promise<string> {
    const { uid } = await stat(this.root)
    const located = await this.#follow(path, async (folder, name) => {
      if (!isOwnersAlone(await stat(folder), uid)) throw foreignLink(path, name)
    })
    return `/${relative(this.root, located)}`
  }

  /** Returns the location of the path's last name itself, even if it is a link. */
  async place(path: string): Promise<string> {
    const clean = normalize(path)
    return join(await this.locate(dirname(clean)), basename(clean))
  }

  /** Returns the text of a file; `undefined` if it does not exist. */
  async read(path: string): Promise<string | undefined> {
    return ifThere(readFile(await this.locate(path), 'utf8'))
  }

  /** Returns the target of a link; `undefined` if the path is no link. */
  async linkTarget(path: string): Promise<string | undefined> {
    return readlink(await this.place(path)).catch(() => undefined)
  }

  /** Returns what a path is, after following links. */
  async kind(path: string): Promise<'file' | 'folder' | 'socket' | 'other' | undefined> {
    const found = await ifThere(lstat(await this.locate(path)))
    if (found === undefined) return undefined
    if (found.isFile()) return 'file'
    if (found.isDirectory()) return 'folder'
    return found.isSocket() ? 'socket' : 'other'
  }

  /** Returns the permission bits of a file; `undefined` if it does not exist. */
  async mode(path: string): Promise<number | undefined> {
    const found = await ifThere(lstat(await this.locate(path)))
    return found === undefined ? undefined : found.mode & 0o7777
  }

  /** Returns whether the name exists, also as a link without a target. */
  async exists(path: string): Promise<boolean> {
    return (await ifThere(lstat(await this.place(path)))) !== undefined
  }

  /** Returns the names in a folder, sorted; none if the folder does not exist. */
  async list(path: string): Promise<string[]> {
    const names = (await ifThere(readdir(await this.locate(path)))) ?? []
    return names.sort()
  }

  /** Returns the first of the paths that exists. */
  async first(paths: readonly string[]): Promise<string | undefined> {
    for (const path of paths) if ((await this.kind(path)) !== undefined) return path
    return undefined
  }

  /** Returns the paths that match a pattern, as Go's filepath.Glob: `*` does not match a slash. */
  async glob(pattern: string): Promise<string[]> {
    let found = ['/']
    for (const part of parts(pattern)) {
      const next: string[] = []
      for (const folder of found) {
        const names = /[*?[]/.test(part)
          ? (await this.list(folder)).filter((name) => matches(name, part))
          : [part]
        next.push(...names.map((name) => join(folder, name)))
      }
      found = next
    }
    const there: string[] = []
    for (const path of found) if (await this.exists(path)) there.push(path)
    return there
  }
}

/** Go's Match treats a leading dot as any other character and does not know `**`. */
function matches(name: string, pattern: string): boolean {
  return matchesGlob(`_${name}`, `_${pattern.replace(/\*+/g, '*')}`)
}

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.')
}

async function ifThere<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return undefined
    throw error
  }
}
