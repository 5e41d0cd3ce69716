import { faultLines, type Fault } from '../cluster/grouped-faults.ts'
import { reasonOf } from '../reason-of.ts'
import { exitCode, UserError } from '../user-error.ts'
import { isPassing } from './cluster-error.ts'
import type { InstallContext } from './install-context.ts'

/** The result of one look: done, or why not. `stuck` means that further waiting does not help. */
export type WaitOutcome =
  | { readonly done: true }
  | {
      readonly done: false
      readonly reasons: readonly Fault[]
      readonly hint?: string | undefined
      readonly stuck?: boolean
    }

const pause = 500

/**
 * Looks until it is done. An unreachable API server is one more reason to wait. Throws UserError
 * INSTALL_TIMED_OUT with the last reasons, INSTALL_STUCK if waiting does not help, and what `look` itself
 * throws.
 */
export async function waitUntil(
  context: InstallContext,
  what: string,
  look: () => Promise<WaitOutcome>,
): Promise<void> {
  const { progress, sleep, now, deadline, signal } = context
  for (;;) {
    signal.throwIfAborted()
    const outcome = await look().catch((error: unknown): WaitOutcome => {
      if (!isPassing(error)) throw error
      return { done: false, reasons: [{ text: reasonOf(error) }] }
    })
    if (outcome.done) return
    const { reasons, hint, stuck = false } = outcome
    progress.state(reasons)
    const message = `${what}: ${faultLines(reasons).join('; ')}`
    if (stuck)
      throw new UserError('INSTALL_STUCK', message, {
        hint: hint ?? 'What was done stays; trow install again goes on from there.',
        exitCode: exitCode.problemsFound,
      })
    if (now() >= deadline)
      throw new UserError('INSTALL_TIMED_OUT', message, {
        hint: hint ?? 'trow install again goes on waiting; --timeout 10m waits longer.',
        exitCode: exitCode.timedOut,
      })
    await sleep(pause)
  }
}
