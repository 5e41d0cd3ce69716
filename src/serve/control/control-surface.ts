import type { AuditSource } from '../../audit/audit-request.ts'
import type { ServerRequest } from '../../http/server-request.ts'
import { jsonReply, type Reply } from '../../http/reply.ts'
import { route, type Route } from '../../http/route.ts'
import { Router, type PathMatch } from '../../http/router.ts'
import type { Surface } from '../../http/surface.ts'
import type { OciError } from '../../oci/oci-error.ts'
import { controlAuditRoutes } from './audit-routes.ts'
import { standingPath, type ServedStanding } from './served-standing.ts'
import { policyRoutes, type PolicyControl } from './policy-routes.ts'
import type { CoverageSources } from '../policy/coverage.ts'
import { maintenanceRoutes, type MaintenanceControl } from './maintenance-routes.ts'

export interface ControlParts extends MaintenanceControl, Pick<PolicyControl, 'policies'> {
  readonly audit: AuditSource
  /** False: nothing is written to the audit log. */
  readonly isAudited: boolean
  readonly standing: () => Promise<ServedStanding>
}

/** Followed by a robot's name. */
const robotPath = '/robots/'

/**
 * What commands on this machine request from the server. Only the user who runs the server can open the
 * socket, and that user may do everything.
 */
export class ControlSurface implements Surface {
  readonly #router: Router

  constructor(parts: ControlParts) {
    this.#router = new Router([
      route(['GET'], standingPath, 'none', async () => jsonReply(200, await parts.standing())),
      ...maintenanceRoutes(parts),
      ...robotRoutes(parts),
      ...controlAuditRoutes(parts.audit),
      ...policyRoutes({ policies: parts.policies, coverage: coverageSources(parts) }),
    ])
  }

  find(path: string): PathMatch | undefined {
    // The router extracts values only from the registry's paths.
    return this.#router.find(path.startsWith(robotPath) ? robotPath : path)
  }

  admit(): void {}

  refuse({ status, message, detail }: OciError): Reply {
    const text = typeof detail === 'string' ? detail : message
    return { status, headers: ['Content-Type', 'text/plain'], body: text }
  }
}

function coverageSources({ stores, audit, isAudited }: ControlParts): CoverageSources {
  return { metadata: stores.metadata, audit: isAudited ? audit.lines : undefined, now: Date.now }
}

/**
 * Robot requests are rare and are the only ones that need a validator, so the validator is loaded on the
 * first such request.
 */
function robotRoutes({ stores }: ControlParts): Route[] {
  const { access } = stores.metadata
  const answer = async (kind: 'list' | 'add' | 'remove', request: ServerRequest): Promise<Reply> => {
    const { answerRobots } = await import('./robots-control.ts')
    return answerRobots(kind, request, access)
  }
  return [
    route(['GET'], '/robots', 'none', (request) => answer('list', request)),
    route(['POST'], '/robots', 'none', (request) => answer('add', request)),
    route(['DELETE'], robotPath, 'none', (request) => answer('remove', request)),
  ]
}
