import { exitCode, UserError } from '../user-error.ts'
import { isPassing } from './cluster-error.ts'
import type { InstallContext } from './install-context.ts'

/** What a look has found: done, or why not. */
export type Outcome =
  | { readonly done: true }
  | { readonly done: false; readonly reasons: readonly string[]; readonly hint?: string | undefined }

const pause = 500

/**
 * Looks until it is done. An API server that is away for a while is one more reason to wait. Throws UserError
 * INSTALL_TIMED_OUT with the reasons that were seen last, and what the look itself throws.
 */
export async function waitUntil(
  context: InstallContext,
  what: string,
  look: () => Promise<Outcome>,
): Promise<void> {
  const { progress, sleep, now, deadline, signal } = context
  for (;;) {
    signal.throwIfAborted()
    const outcome = await look().catch((error: unknown): Outcome => {
      if (!isPassing(error)) throw error
      return { done: false, reasons: [(error as Error).message] }
    })
    if (outcome.done) return
    progress.state(outcome.reasons)
    if (now() >= deadline) {
      throw new UserError('INSTALL_TIMED_OUT', `${what}: ${outcome.reasons.join('; ')}`, {
        hint: outcome.hint ?? 'trow install again goes on waiting; --timeout 10m waits longer.',
        exitCode: exitCode.timedOut,
      })
    }
    await sleep(pause)
  }
}
