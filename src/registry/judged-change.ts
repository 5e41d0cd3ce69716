import { isPolicyChanged } from '../metadata/policy-generation.ts'
import { OciError } from '../oci/oci-error.ts'
import type { ContentGuard, PolicyStamp } from './content-guard.ts'

/** Policies change rarely: somebody who meets more changes than that in one push is told to try again. */
const mostTries = 5

/**
 * Makes a change that `judge` has let pass, and none that policies have not been asked about which came meanwhile: then it is
 * judged again. Rejects as both do, and with OciError UNAVAILABLE where the policies do not stand still.
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
