import fs from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * Creates the folder and its missing parents, by default for the owner only. The parent of each is flushed
 * (POSIX fsync), because before that a power failure could remove the folder with everything that is stored
 * in it. Node's `recursive` is not used: it loops for ever in a file system that accepts no folders, such as
 * /proc. Throws as mkdir(2).
 */
export function makeFolder(path: string, mode = 0o700): void {
  const missing: string[] = []
  for (let each = resolve(path); !fs.existsSync(each); each = dirname(each)) missing.unshift(each)
  for (const each of missing) {
    try {
      fs.mkdirSync(each, { mode })
    } catch (error) {
      // Another process may have created it first.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    flushFolder(dirname(each))
  }
  needFolder(path)
}

/** Returns the folder, or the parent in which it would be made. Throws if that is no folder. */
export function nearestFolder(path: string): string {
  let [each, made] = [resolve(path), resolve(path)]
  while (!fs.existsSync(each)) [each, made] = [dirname(each), each]
  needFolder(each, made)
  return each
}

/** `path`: the folder that is made. */
function needFolder(folder: string, path = folder): void {
  if (fs.statSync(folder).isDirectory()) return
  throw Object.assign(new Error(`ENOTDIR: not a directory, mkdir '${path}'`), {
    code: 'ENOTDIR',
    syscall: 'mkdir',
    path,
  })
}

function flushFolder(path: string): void {
  let fd: number
  try {
    fd = fs.openSync(path, 'r')
  } catch (error) {
    // A folder whose entries may be written but not listed cannot be flushed.
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return
    throw error
  }
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}
