import fs from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes the folder and those above it where they are missing, for its owner only. Each stands in the folder above it once
 * that is flushed (POSIX fsync): before, a power cut could take all away that is ever kept there.
 */
export function makeFolder(path: string): void {
  const first = fs.mkdirSync(path, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  for (let made = path; ; made = dirname(made)) {
    flushFolder(dirname(made))
    if (made === first || made === dirname(made)) return
  }
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
