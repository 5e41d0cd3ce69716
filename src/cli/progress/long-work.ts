import { exitCode, UserError } from '../../user-error.ts'
import { printErrorResult } from '../result/error-result.ts'
import { isForProgram } from '../result/output.ts'
import { stopSignal } from '../stop-signal.ts'
import type { Terminal } from '../streams.ts'
import { printUserError } from '../user-error-text.ts'
import { WorkProgress } from './work-progress.ts'

/**
 * Runs work that takes long: with a bar, and until SIGINT or SIGTERM. `kept` says what stays of work that was cut
 * off. Throws UserError INTERRUPTED then.
 */
export async function longWork<Result>(
  terminal: Terminal,
  { output, kept }: { readonly output: string; readonly kept: string | (() => string) },
  work: (parts: { readonly signal: AbortSignal; readonly progress: WorkProgress }) => Promise<Result>,
): Promise<Result> {
  const progress = new WorkProgress(terminal, { output })
  const interrupted = (cause?: unknown): UserError =>
    new UserError('INTERRUPTED', 'it was interrupted', {
      hint: typeof kept === 'string' ? kept : kept(),
      exitCode: exitCode.interrupted,
      cause,
    })
  const { signal, stop } = stopSignal(terminal, () => {
    progress.end()
    if (isForProgram(output)) printErrorResult(interrupted(), terminal)
    else printUserError(interrupted(), terminal)
  })
  try {
    return await work({ signal, progress })
  } catch (error) {
    if (!signal.aborted) throw error
    throw interrupted(error)
  } finally {
    progress.end()
    stop()
  }
}
