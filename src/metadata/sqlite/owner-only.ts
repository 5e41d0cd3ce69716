import fs from 'node:fs'
import { errorCode } from '../../error-code.ts'

const ownerOnly = 0o600

/**
 * Makes sure that only its owner can read and write the file, whatever the umask; creates it if missing.
 * SQLite gives the `-wal`, `-shm` and `-journal` files the mode of the database. A file of another owner
 * stays as it is.
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
    // An existing file is not opened: closing any descriptor of a file releases the locks that SQLite holds
    // on it (fcntl(2)).
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
