import { exitCode, UserError } from '../user-error.ts'
import { parseDuration } from '../settings/quantities.ts'

/** Returns the milliseconds of a command's `--timeout`. Throws UserError DURATION_INVALID. */
export function timeoutOption(text: string, hint: string): number {
  const milliseconds = parseDuration(text)
  if (milliseconds !== undefined) return milliseconds
  throw new UserError('DURATION_INVALID', `--timeout ${text} is no time`, { hint, exitCode: exitCode.usage })
}
