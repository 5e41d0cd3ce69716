import fs from 'node:fs'
import { errorCode } from '../../error-code.ts'

const ownerOnly = 0o600

/**
 * The file, made where it is missing, is read and written by its owner alone, whatever the umask. SQLite gives its
 * companions (`-wal`, `-shm`, `-journal`) the mode of the file. One of another owner stays as it is.
 */
export function makeOwnerOnly(path: string): void {
  try {
    const fd = fs.openSync(path, 'wx', ownerOnly)
    try {
      fs.fchmodSync(fd, ownerOnly)
    } finally {
      fs.closeSync(fd)
    }
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
    // Never opened here: to close any descriptor of a file gives up the locks that SQLite holds on it (fcntl(2)).
    narrow(path)
  }
  for (const suffix of ['-wal', '-shm', '-journal']) narrow(`${path}${suffix}`)
}

function narrow(path: string): void {
  const found = fs.lstatSync(path, { throwIfNoEntry: false })
  if (found?.isFile() !== true || (found.mode & 0o077) === 0) return
  try {
    fs.chmodSync(path, ownerOnly)
  } catch (error) {
    if (errorCode(error) !== 'EPERM') throw error
  }
}
