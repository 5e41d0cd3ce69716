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
import { reasonOf } from '../../reason-of.ts'
import { UserError } from '../../user-error.ts'
import { readText } from './watched-htpasswd.ts'

/**
 * Puts the user's line into the file in place of their old one, or at the end; `hashed` undefined takes it out. Every
 * other line, comments too, stays as it is. Throws UserError HTPASSWD_UNREADABLE, HTPASSWD_INVALID, HTPASSWD_UNWRITABLE.
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

/** Whole or not at all, and read by its owner alone; a link stays one. */
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
      // Root adds a user for a server that is not root's.
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
    throw new UserError('HTPASSWD_UNWRITABLE', `${path} cannot be written: ${reasonOf(cause)}`, {
      hint: 'The file and its folder must be writable; a file that is mounted from a Secret is changed there.',
      cause,
    })
  }
}
