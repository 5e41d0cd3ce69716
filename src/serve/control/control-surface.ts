import type { AuditSource } from '../../audit/audit-request.ts'
import type { RegistryRequest } from '../../http/registry-request.ts'
import type { Reply } from '../../http/reply.ts'
import { route, type Route } from '../../http/route.ts'
import { Router, type PathMatch } from '../../http/router.ts'
import type { Surface } from '../../http/surface.ts'
import type { OciError } from '../../oci/oci-error.ts'
import { controlAuditRoutes } from './audit-routes.ts'
import { maintenanceRoutes, type MaintenanceControl } from './maintenance-routes.ts'

export interface ControlParts extends MaintenanceControl {
  readonly audit: AuditSource
}

/** A robot's name follows. */
const robotPath = '/robots/'

/** What commands of this machine ask the server for. Whoever opens the socket is the user who runs it, and may all of it. */
export class ControlSurface implements Surface {
  readonly #router: Router

  constructor(parts: ControlParts) {
    this.#router = new Router([
      ...maintenanceRoutes(parts),
      ...robotRoutes(parts),
      ...controlAuditRoutes(parts.audit),
    ])
  }

  find(path: string): PathMatch | undefined {
    // The router knows values in the registry's paths alone.
    return this.#router.find(path.startsWith(robotPath) ? robotPath : path)
  }

  admit(): void {}

  refuse({ status, message, detail }: OciError): Reply {
    const text = typeof detail === 'string' ? detail : message
    return { status, headers: ['Content-Type', 'text/plain'], body: text }
  }
}

/** They are rare, and the only ones that need a validator, which is loaded when they are asked for. */
function robotRoutes({ stores }: ControlParts): Route[] {
  const { access } = stores.metadata
  const answer = async (kind: 'list' | 'add' | 'remove', request: RegistryRequest): Promise<Reply> => {
    const { answerRobots } = await import('./robots-control.ts')
    return answerRobots(kind, request, access)
  }
  return [
    route(['GET'], '/robots', 'none', (request) => answer('list', request)),
    route(['POST'], '/robots', 'none', (request) => answer('add', request)),
    route(['DELETE'], robotPath, 'none', (request) => answer('remove', request)),
  ]
}
