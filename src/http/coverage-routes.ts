import { parseDigest, type Digest } from '../oci/digest.ts'
import { OciError } from '../oci/oci-error.ts'
import { jsonReply } from './reply.ts'
import { route, type Route } from './route.ts'

/** JSON: what the registry holds of a digest, and who has pulled that. Rejects when the signal fires. */
export type CoverageSource = (digest: Digest, signal: AbortSignal) => Promise<object>

/**
 * `GET /trow/v1/coverage?digest=…`, for those who may read the audit: the answer names repositories of everybody, and
 * who has pulled from them. Each worker answers one at a time, since an answer reads the log of 30 days.
 */
export function coverageRoutes(coverageOf: CoverageSource): Route[] {
  const answer = oneAtATime(coverageOf)
  return [
    route(['GET'], '/trow/v1/coverage', 'audit', async ({ query, signal }) => {
      const found = await answer(parseDigest(query.get('digest') ?? ''), signal)
      return jsonReply(200, found, ['Cache-Control', 'no-store'])
    }),
  ]
}

/** Refuses a question while another one is being answered: OciError TOOMANYREQUESTS. */
export function oneAtATime(coverageOf: CoverageSource): CoverageSource {
  let isRunning = false
  return async (digest, signal) => {
    if (isRunning) {
      throw new OciError('TOOMANYREQUESTS', 'another digest is being looked for', {
        detail: 'try again in a moment',
        headers: { 'Retry-After': '1' },
      })
    }
    isRunning = true
    try {
      return await coverageOf(digest, signal)
    } finally {
      isRunning = false
    }
  }
}
