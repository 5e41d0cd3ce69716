import { readFileSync, statSync } from 'node:fs'
import { parseHtpasswd, type Users } from '../../access/htpasswd.ts'
import type { Log } from '../../log.ts'
import { reasonOf } from '../../reason-of.ts'
import { UserError } from '../../user-error.ts'

export interface WatchedHtpasswd {
  readonly users: Users
  onChange(listener: (users: Users) => void): void
  close(): void
}

/**
 * An htpasswd file, read again when it changes: looked at every two seconds, as mounted Secrets change by a symbolic
 * link that no watch of the file sees. A new file that is none, or is gone, is logged, and the old one stays. Throws
 * UserError HTPASSWD_UNREADABLE or HTPASSWD_INVALID.
 */
export function watchedHtpasswd(path: string, log: Log, interval = 2000): WatchedHtpasswd {
  let mark = markOf(path)
  let users = readHtpasswd(path)
  let complaint = ''
  const listeners: ((users: Users) => void)[] = []
  const timer = setInterval(() => {
    try {
      const next = markOf(path)
      if (next === mark) return
      users = readHtpasswd(path)
      mark = next
      complaint = ''
      for (const listener of listeners) listener(users)
      log.info('the htpasswd file was read again', { file: path, users: users.size })
    } catch (error) {
      const message = reasonOf(error)
      if (message !== complaint)
        log.error('the new htpasswd file is not used, the old one stays', { reason: message })
      complaint = message
    }
  }, interval)
  timer.unref()
  return {
    get users() {
      return users
    },
    onChange: (listener) => void listeners.push(listener),
    close: () => clearInterval(timer),
  }
}

/** Throws UserError HTPASSWD_UNREADABLE or HTPASSWD_INVALID. */
export function readHtpasswd(path: string): Users {
  return parseHtpasswd(readText(path), path)
}

/** Throws UserError HTPASSWD_UNREADABLE. */
export function readText(path: string): string {
  return tried(path, () => readFileSync(path, 'utf8'))
}

/** What differs when a file has been written or exchanged. Throws UserError HTPASSWD_UNREADABLE. */
function markOf(path: string): string {
  const { ino, size, mtimeNs, ctimeNs } = tried(path, () => statSync(path, { bigint: true }))
  return `${ino} ${size} ${mtimeNs} ${ctimeNs}`
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
