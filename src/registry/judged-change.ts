import { isPolicyChanged } from '../metadata/policy-generation.ts'
import { OciError } from '../oci/oci-error.ts'
import type { ContentGuard, PolicyStamp } from './content-guard.ts'

/** Policies change rarely: a push that meets more changes than this is refused and may be tried again. */
const mostTries = 5

/**
 * Makes a change that `judge` has allowed. If the policies change before it is made, the change fails and is
 * judged again. Rejects as `judge` and `change` do, and with OciError UNAVAILABLE if the policies keep
 * changing.
 */
export async function judgedChange<Stamp extends PolicyStamp, Result>(
  guard: ContentGuard,
  judge: () => Stamp | Promise<Stamp>,
  change: (stamp: Stamp) => Promise<Result>,
): Promise<Result> {
  for (let tries = 1; ; tries++) {
    const stamp = await judge()
    try {
      return await change(stamp)
    } catch (error) {
      if (!isPolicyChanged(error)) throw error
      if (tries === mostTries)
        throw new OciError('UNAVAILABLE', 'the policies change too fast to judge by them', {
          detail: 'nothing was stored: try again in a moment',
          cause: error,
        })
    }
    await guard.newerThan(stamp)
  }
}
