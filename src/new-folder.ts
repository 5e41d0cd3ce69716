import fs from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * Makes the folder and those above it where they are missing, for its owner only unless told otherwise. Each stands in the
 * folder above it once that is flushed (POSIX fsync): before, a power cut could take all away that is ever kept there.
 * Not `recursive` of Node, which tries for ever where a file system takes no folders, such as /proc. Throws as mkdir(2).
 */
export function makeFolder(path: string, mode = 0o700): void {
  const missing: string[] = []
  for (let each = resolve(path); !fs.existsSync(each); each = dirname(each)) missing.unshift(each)
  for (const each of missing) {
    try {
      fs.mkdirSync(each, { mode })
    } catch (error) {
      // Somebody else was faster.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    flushFolder(dirname(each))
  }
  if (!fs.statSync(path).isDirectory())
    throw Object.assign(new Error(`ENOTDIR: not a directory, mkdir '${path}'`), { code: 'ENOTDIR', path })
}

function flushFolder(path: string): void {
  let fd: number
  try {
    fd = fs.openSync(path, 'r')
  } catch (error) {
    // Whose entries may be written but not listed cannot be flushed.
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return
    throw error
  }
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}
