import type { UserError } from '../../user-error.ts'
import type { Terminal } from '../streams.ts'
import type { Result } from './print-result.ts'
import { resultVersion } from './result-version.ts'

/** Writes an error for programs: one line of JSON on stderr. */
export function printErrorResult(
  { code, message, hint, exitCode }: UserError,
  { exact: { stderr } }: Pick<Terminal, 'exact'>,
): void {
  const error: Result<'Error'> = { code, message, hint, exitCode }
  stderr.write(`${JSON.stringify({ apiVersion: resultVersion, kind: 'Error', ...error })}\n`)
}
