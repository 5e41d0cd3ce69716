import { tmpdir } from 'node:os'
import { errorCode } from '../error-code.ts'
import { UserError } from '../user-error.ts'

/** Returns `undefined` if the cause is not a full disk. */
export function spoolFault(cause: unknown): UserError | undefined {
  if (errorCode(cause) !== 'ENOSPC') return undefined
  return new UserError('FOLDER_NOT_WRITABLE', `${tmpdir()} has no room for the image`, {
    hint: 'TMPDIR names another folder.',
    cause,
  })
}
