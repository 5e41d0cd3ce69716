import { randomUUID } from 'node:crypto'
import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { nameOf, parseHtpasswd } from '../../access/htpasswd.ts'
import { plainReason } from '../../plain-reason.ts'
import { UserError } from '../../user-error.ts'
import { readText } from './watched-htpasswd.ts'

/**
 * Replaces the user's line in the file, or appends one; with `hashed` undefined removes it. Every other line,
 * including comments, stays unchanged. Throws UserError HTPASSWD_UNREADABLE, HTPASSWD_INVALID,
 * HTPASSWD_UNWRITABLE.
 */
export function writeUser(path: string, name: string, hashed: string | undefined): void {
  const text = existsSync(path) ? readText(path) : ''
  parseHtpasswd(text, path)
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n')
  const at = lines.findIndex((line) => !line.startsWith('#') && nameOf(line) === name)
  const entry = hashed === undefined ? [] : [`${name}:${hashed}`]
  const next = at < 0 ? [...lines, ...entry] : lines.toSpliced(at, 1, ...entry)
  replaceFile(path, next.map((line) => `${line}\n`).join(''))
}

/** Replaces the file atomically; a new file is readable by its owner only. A symbolic link stays a link. */
function replaceFile(path: string, text: string): void {
  const target = existsSync(path) ? realpathSync(path) : path
  const fresh = `${target}.${randomUUID()}.tmp`
  try {
    const file = openSync(fresh, 'wx', 0o600)
    try {
      writeSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    if (existsSync(target)) {
      // Root may add a user to the file of a server that runs as another user: the owner is kept.
      const { uid, gid } = statSync(target)
      chownSync(fresh, uid, gid)
    }
    renameSync(fresh, target)
    const folder = openSync(dirname(target), 'r')
    try {
      fsyncSync(folder)
    } finally {
      closeSync(folder)
    }
  } catch (cause) {
    rmSync(fresh, { force: true })
    throw new UserError('HTPASSWD_UNWRITABLE', `${path} cannot be written: ${plainReason(cause)}`, {
      hint: 'The file and its folder must be writable; a file that is mounted from a Secret is changed there.',
      cause,
    })
  }
}
