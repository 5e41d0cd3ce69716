import type { ServerRequest } from '../../http/server-request.ts'
import { jsonReply, type Reply } from '../../http/reply.ts'
import { route, type Route } from '../../http/route.ts'
import { policyPaths } from '../../policy-store/policy-edits.ts'
import { UserError } from '../../user-error.ts'
import { coveredDigest, coverageOf, type CoverageSources } from '../policy/coverage.ts'
import type { PolicyQuestion, PolicyReply } from '../threads/thread-protocol.ts'
import { readText } from './read-text.ts'
import { userErrorReply } from './user-error-reply.ts'

export interface PolicyControl {
  readonly coverage: CoverageSources
  /** Asks the thread that reads the policies. Undefined where none are configured. */
  readonly policies: ((question: PolicyQuestion) => Promise<PolicyReply | undefined>) | undefined
}

/** Of an object of the largest size, with blanks. */
const longestBody = 4 * 1024 * 1024

/** The routes of `policyPaths`. */
export function policyRoutes({ coverage, policies }: PolicyControl): Route[] {
  const ask = async (kind: PolicyQuestion['kind'], body: string): Promise<Reply> => {
    const text = await policies?.({ kind, body })
    if (text === undefined) throw policiesOff()
    return { status: 200, headers: ['Content-Type', 'application/json'], body: text }
  }
  const post = (path: string, answer: (body: string) => Promise<Reply>): Route =>
    route(['POST'], path, 'none', (request: ServerRequest) =>
      refusing(async () => answer(await readText(request, longestBody))),
    )
  return [
    route(['GET'], policyPaths.status, 'none', () => refusing(() => ask('status', ''))),
    post(policyPaths.read, (body) => ask('read', body)),
    post(policyPaths.edit, (body) => ask('edit', body)),
    post(policyPaths.coverage, async (body) =>
      jsonReply(200, await coverageOf(coveredDigest(body), coverage)),
    ),
  ]
}

async function refusing(answer: () => Promise<Reply>): Promise<Reply> {
  try {
    return await answer()
  } catch (error) {
    if (error instanceof UserError) return userErrorReply(error)
    throw error
  }
}

function policiesOff(): UserError {
  return new UserError('POLICY_OFF', 'the server has no policies', {
    hint: 'Start it with --policy-dir FOLDER, with --policy-cluster or with --policy-database.',
  })
}
