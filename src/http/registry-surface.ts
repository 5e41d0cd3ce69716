import type { AuditSource } from '../audit/audit-request.ts'
import type { OciError } from '../oci/oci-error.ts'
import type { Registry } from '../registry/registry.ts'
import { admissionRoutes, type AdmissionDoor } from './admission-routes.ts'
import { auditRoutes } from './audit-routes.ts'
import { blobRoutes } from './blob-routes.ts'
import { coverageRoutes, type CoverageSource } from './coverage-routes.ts'
import { Gate, type GateOptions } from './gate.ts'
import { historyRoutes } from './history-routes.ts'
import { healthRoutes, type HealthChecks } from './health-routes.ts'
import { baseRoutes, listingRoutes } from './listing-routes.ts'
import { manifestRoutes } from './manifest-routes.ts'
import { nodeCertificateRoutes } from './node-certificate-routes.ts'
import type { BodyPlaces } from './read-whole.ts'
import { ociErrorReply } from './oci-error-reply.ts'
import type { ServerRequest } from './server-request.ts'
import type { FlatHeaders, Reply } from './reply.ts'
import { Router, type Endpoint, type PathMatch } from './router.ts'
import type { Route } from './route.ts'
import type { Admission, Surface } from './surface.ts'
import { tokenRoutes } from './token-routes.ts'
import { warningHeader } from './warning-header.ts'
import { uploadRoutes } from './upload-routes.ts'

export interface RegistrySurfaceOptions {
  readonly registry: Registry
  readonly bodies: BodyPlaces
  readonly health: HealthChecks
  readonly gate: GateOptions
  /** Undefined: there is no cluster whose admission pods could ask. */
  readonly admission: AdmissionDoor | undefined
  /** Undefined: nothing is audited. */
  readonly audit: AuditSource | undefined
  readonly coverage: CoverageSource
  readonly now: () => number
}

/**
 * The registry's paths: the distribution specification, tokens, certificates of nodes, the audit, what holds a digest,
 * and its health.
 */
export class RegistrySurface implements Surface {
  readonly #router: Router
  readonly #gate: Gate
  readonly #stopping = new AbortController()

  constructor({ registry, bodies, health, gate, admission, audit, coverage, now }: RegistrySurfaceOptions) {
    this.#router = new Router([
      ...baseRoutes(),
      ...manifestRoutes(registry, bodies.callers),
      ...blobRoutes(registry),
      ...uploadRoutes(registry),
      ...listingRoutes(registry),
      ...historyRoutes(registry),
      ...healthRoutes(health),
      ...tokenRoutes(gate, bodies.strangers),
      ...nodeCertificateRoutes(gate, bodies.callers),
      ...admissionRoutes(admission, bodies.callers),
      ...auditRoutes(audit, this.#stopping.signal, now),
      ...coverageRoutes(coverage),
    ])
    this.#gate = new Gate(gate)
  }

  find(path: string): PathMatch | undefined {
    return this.#router.find(path)
  }

  admit(admission: Admission): void | Promise<void> {
    return this.#gate.admit(admission)
  }

  answered(admission: Admission, reply: Reply): void {
    this.#gate.answered(admission, reply)
  }

  refuse(error: OciError, { method }: ServerRequest, endpoint: Endpoint | undefined): Reply {
    const reply = ociErrorReply(error)
    // A 405 lists the allowed methods (RFC 9110, 15.5.6): those of the path without the refused one.
    if (reply.status === 405 && endpoint !== undefined) {
      const others = [...endpoint.methods.keys()].filter((each) => each !== method)
      reply.headers.push('Allow', others.join(', '))
    }
    return reply
  }

  sign(headers: FlatHeaders, { id, caller }: ServerRequest): void {
    headers.push('Docker-Distribution-API-Version', 'registry/2.0')
    headers.push('X-Content-Type-Options', 'nosniff', 'X-Request-Id', id)
    if (caller === undefined) return
    for (const text of caller.warnings) headers.push('Warning', warningHeader(text))
  }

  /** Requests of an open upload are still served, so that it can finish. */
  beginsWork(endpoint: Endpoint, route: Route, method: string): boolean {
    return (
      route.right === 'push' && method !== 'GET' && method !== 'HEAD' && !endpoint.path.endsWith('<upload>')
    )
  }

  windDown(): void {
    this.#stopping.abort()
  }
}
