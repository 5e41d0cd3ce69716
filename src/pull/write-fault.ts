import { errorCode } from '../error-code.ts'
import { plainReason } from '../plain-reason.ts'
import { exitCode, UserError } from '../user-error.ts'

/** Converts what the file system refuses: UserError FOLDER_NOT_WRITABLE. Other errors are returned unchanged. */
export function writeFault(path: string, error: unknown): unknown {
  const code = errorCode(error) ?? ''
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new UserError('FOLDER_NOT_WRITABLE', `there is no room for the image at ${path}`, { cause: error })
  if (!['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EISDIR', 'ENOENT'].includes(code)) return error
  return new UserError('FOLDER_NOT_WRITABLE', `${path} cannot be written: ${plainReason(error)}`, {
    exitCode: exitCode.notPermitted,
    cause: error,
  })
}
