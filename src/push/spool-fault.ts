import { tmpdir } from 'node:os'
import { errorCode } from '../error-code.ts'
import { UserError } from '../user-error.ts'

/** Undefined: it is no want of room. */
export function spoolFault(cause: unknown): UserError | undefined {
  if (errorCode(cause) !== 'ENOSPC') return undefined
  return new UserError('FOLDER_NOT_WRITABLE', `${tmpdir()} has no room for the image`, {
    hint: 'TMPDIR names another folder.',
    cause,
  })
}
