import type { OciError } from '../oci/oci-error.ts'
import type { RegistryRequest } from './registry-request.ts'
import type { FlatHeaders, Reply } from './reply.ts'
import type { Endpoint, PathMatch } from './router.ts'
import type { GivenValues, Route } from './route.ts'

/** A request that has found its route: what it asks for, and where. */
export interface Admission {
  readonly request: RegistryRequest
  readonly endpoint: Endpoint
  readonly route: Route
  /** The checked values of the path. */
  readonly values: GivenValues
}

/**
 * What a listener serves: its paths, who may ask for them, and what a refusal looks like. The listener itself knows
 * connections, bodies and replies, and of no surface what it is for.
 */
export interface Surface {
  /** Undefined: no such path. */
  find(path: string): PathMatch | undefined
  /**
   * Called before the handler. Sets the request's caller where this surface asks who that is. Throws, or rejects with, the
   * OciError that `refuse` answers.
   */
  admit(admission: Admission): void | Promise<void>
  /** Called with the reply to each request that was let in, before it is sent: for the audit. */
  answered?(admission: Admission, reply: Reply): void
  /** The reply to what the client has caused, and to a bug (OciError UNKNOWN). Undefined endpoint: none was found. */
  refuse(error: OciError, request: RegistryRequest, endpoint: Endpoint | undefined): Reply
  /** Adds the headers that all replies of this surface have. */
  sign?(headers: FlatHeaders, request: RegistryRequest): void
  /** Whether a request begins something long, which is refused while the listener winds down. */
  beginsWork?(endpoint: Endpoint, route: Route, method: string): boolean
  /** The listener winds down or closes: what only waits is to end. May be called several times. */
  windDown?(): void
}
