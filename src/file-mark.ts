import { statSync } from 'node:fs'

/**
 * Changes when a file is written or exchanged, and when a link leads elsewhere: its size in bytes, then what the
 * file system knows it by. Throws when there is no such file.
 */
export function fileMark(path: string): string {
  const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
  return `${size} ${dev} ${ino} ${mtimeNs} ${ctimeNs}`
}

/** As `fileMark`; of a file that cannot be looked at, the reason. */
export function markOrReason(path: string): string {
  try {
    return fileMark(path)
  } catch (error) {
    return String(error)
  }
}
