import { lstat, readdir, readFile, readlink, stat } from 'node:fs/promises'
import { basename, dirname, join, matchesGlob, normalize, relative } from 'node:path/posix'
import { errorCode } from '../error-code.ts'
import { foreignLink, isOwnersAlone } from './machine-folder.ts'

const linkLimit = 40

/**
 * The files of a machine whose root folder is mounted somewhere. Paths are the machine's own and absolute; links are
 * followed as the machine follows them, so that an absolute one never leads out of the root.
 */
export class MachineFiles {
  readonly root: string

  constructor(root: string) {
    this.root = root
  }

  /** Where a path is for this process, every link in it followed. What does not exist keeps its name. */
  async locate(path: string): Promise<string> {
    return this.#follow(path, async () => {})
  }

  /** `check`: of each link before it is followed, with the folder that it is in. */
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
   * The path with every link in it followed, as the machine names it: for what is to be written. Throws UserError LINK_FOREIGN
   * for a link that somebody else than the machine's owner could have made.
   */
  async resolve(path: string): Promise<string> {
    const { uid } = await stat(this.root)
    const located = await this.#follow(path, async (folder, name) => {
      if (!isOwnersAlone(await stat(folder), uid)) throw foreignLink(path, name)
    })
    return `/${relative(this.root, located)}`
  }

  /** Where the last name of a path itself is, even if it is a link. */
  async place(path: string): Promise<string> {
    const clean = normalize(path)
    return join(await this.locate(dirname(clean)), basename(clean))
  }

  /** The text of a file; undefined where there is none. */
  async read(path: string): Promise<string | undefined> {
    return ifThere(readFile(await this.locate(path), 'utf8'))
  }

  /** Where a link points; undefined for what is no link. */
  async linkTarget(path: string): Promise<string | undefined> {
    return readlink(await this.place(path)).catch(() => undefined)
  }

  /** What a path is, links followed. */
  async kind(path: string): Promise<'file' | 'folder' | 'socket' | 'other' | undefined> {
    const found = await ifThere(lstat(await this.locate(path)))
    if (found === undefined) return undefined
    if (found.isFile()) return 'file'
    if (found.isDirectory()) return 'folder'
    return found.isSocket() ? 'socket' : 'other'
  }

  /** The permission bits of a file; undefined where there is none. */
  async mode(path: string): Promise<number | undefined> {
    const found = await ifThere(lstat(await this.locate(path)))
    return found === undefined ? undefined : found.mode & 0o7777
  }

  /** Whether anything has that name, a link without a target included. */
  async exists(path: string): Promise<boolean> {
    return (await ifThere(lstat(await this.place(path)))) !== undefined
  }

  /** The names in a folder, sorted; none where there is no folder. */
  async list(path: string): Promise<string[]> {
    const names = (await ifThere(readdir(await this.locate(path)))) ?? []
    return names.sort()
  }

  /** The first of the paths that exists. */
  async first(paths: readonly string[]): Promise<string | undefined> {
    for (const path of paths) if ((await this.kind(path)) !== undefined) return path
    return undefined
  }

  /** The paths that match a pattern, as Go's filepath.Glob: `*` does not cross a slash. */
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

/** Go's Match takes a leading dot for a character like any other, and knows no `**`. */
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
