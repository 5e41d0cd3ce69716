import { errorCode, isOfSystemCall } from './error-code.ts'
import { reasonOf } from './reason-of.ts'

/** What system calls refuse, and the HTTP client gives up, for people. */
const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was cut',
  EHOSTUNREACH: 'no network leads there',
  ENETUNREACH: 'no network leads there',
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name could not be looked up',
  ETIMEDOUT: 'it did not answer in time',
  UND_ERR_SOCKET: 'the connection was cut',
  UND_ERR_CONNECT_TIMEOUT: 'it did not answer in time',
  UND_ERR_HEADERS_TIMEOUT: 'it did not answer in time',
  UND_ERR_BODY_TIMEOUT: 'it did not answer in time',
  EACCES: 'this user has no right to it',
  EPERM: 'this user has no right to it',
  EISDIR: 'it is a folder, not a file',
  ENOTDIR: 'there is a file where a folder is to be',
  ENOENT: 'there is no such file',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
}

/** Inner errors of which one is read. */
const mostErrors = 8

/**
 * Returns why something failed, for a message that names the file or the address already: the words for what a system
 * call refused, otherwise the reason of `reasonOf`. A log has `reasonOf`, which names the call.
 */
export function plainReason(error: unknown): string {
  // A connection that was tried at several addresses.
  if (error instanceof AggregateError && error.message === '' && error.errors.length > 0)
    return [...new Set(error.errors.slice(0, mostErrors).map(plainReason))].join('; ')
  const code = errorCode(error) ?? ''
  const known = isOfSystemCall(error) || code.startsWith('UND_ERR_') ? words[code] : undefined
  return known ?? reasonOf(error)
}
