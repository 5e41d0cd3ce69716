import type { OciError } from '../oci/oci-error.ts'
import type { ServerRequest } from './server-request.ts'
import type { FlatHeaders, Reply } from './reply.ts'
import type { Endpoint, PathMatch } from './router.ts'
import type { GivenValues, Route } from './route.ts'

/** A request with its route and the values of its path. */
export interface Admission {
  readonly request: ServerRequest
  readonly endpoint: Endpoint
  readonly route: Route
  /** The checked values of the path. */
  readonly values: GivenValues
}

/**
 * What a listener serves: its paths, its access decisions, and the form of its refusals. The listener itself
 * handles connections, bodies and replies; it does not know what a surface is for.
 */
export interface Surface {
  /** Undefined: no such path. */
  find(path: string): PathMatch | undefined
  /**
   * Called before the handler. Sets the request's caller if this surface identifies callers. Throws, or
   * rejects with, the OciError that `refuse` turns into a reply.
   */
  admit(admission: Admission): void | Promise<void>
  /** Called with the reply to each admitted request, before it is sent: for the audit. */
  answered?(admission: Admission, reply: Reply): void
  /**
   * The reply to a client's error, and to a bug (OciError UNKNOWN). `endpoint` undefined: no path matched.
   */
  refuse(error: OciError, request: ServerRequest, endpoint: Endpoint | undefined): Reply
  /** Adds the headers that all replies of this surface have. */
  sign?(headers: FlatHeaders, request: ServerRequest): void
  /** Whether a request begins long work, which is refused while the listener winds down. */
  beginsWork?(endpoint: Endpoint, route: Route, method: string): boolean
  /**
   * The listener winds down or closes: requests that only wait, such as `follow`, must end. May be called
   * several times.
   */
  windDown?(): void
}
