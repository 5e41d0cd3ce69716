import { readFileSync } from 'node:fs'
import { parseHtpasswd, type Users } from '../../access/htpasswd.ts'
import type { Log } from '../../log.ts'
import { reasonOf } from '../../reason-of.ts'
import { UserError } from '../../user-error.ts'
import { watchValue, type WatchedValue } from '../watched-value.ts'

/**
 * Reads an htpasswd file, and reads it again when it changes, as `watchValue` does. Throws UserError
 * HTPASSWD_UNREADABLE or HTPASSWD_INVALID.
 */
export function watchedHtpasswd(path: string, log: Log, interval?: number): WatchedValue<Users> {
  return watchValue(() => readHtpasswd(path), {
    files: [path],
    log,
    changed: 'the htpasswd file was read again',
    facts: (users) => ({ file: path, users: users.size }),
    refused: 'the new htpasswd file is not used, the old one stays',
    ...(interval !== undefined && { interval }),
  })
}

/** Throws UserError HTPASSWD_UNREADABLE or HTPASSWD_INVALID. */
export function readHtpasswd(path: string): Users {
  return parseHtpasswd(readText(path), path)
}

/** Throws UserError HTPASSWD_UNREADABLE. */
export function readText(path: string): string {
  return tried(path, () => readFileSync(path, 'utf8'))
}

function tried<Value>(path: string, read: () => Value): Value {
  try {
    return read()
  } catch (cause) {
    throw new UserError('HTPASSWD_UNREADABLE', `${path} cannot be read: ${reasonOf(cause)}`, {
      hint: 'Check --htpasswd; trow user add NAME --htpasswd FILE makes the file.',
      cause,
    })
  }
}
