import { tmpdir } from 'node:os'
import { UserError } from '../user-error.ts'

/** Undefined: it is no want of room. */
export function spoolFault(cause: unknown): UserError | undefined {
  if ((cause as NodeJS.ErrnoException).code !== 'ENOSPC') return undefined
  return new UserError('FOLDER_NOT_WRITABLE', `${tmpdir()} has no room for the image`, {
    hint: 'TMPDIR names another folder.',
    cause,
  })
}
