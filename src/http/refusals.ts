import { OciError } from '../oci/oci-error.ts'
import { HttpRefusal } from './http-refusal.ts'
import type { RegistryRequest } from './registry-request.ts'
import type { Reply } from './reply.ts'
import { errorReply } from './reply-writer.ts'
import { ClientGone } from './request-body.ts'
import type { Endpoint } from './router.ts'

export function noSuchPath(path: string): OciError {
  return new HttpRefusal(404, 'NAME_UNKNOWN', 'there is nothing under this path', {
    detail: path.slice(0, 300),
  })
}

export function notAllowed(method: string, allow: string): OciError {
  return new OciError('UNSUPPORTED', 'the method is not allowed here', {
    detail: `${method.slice(0, 20)}: this path takes ${allow}`,
  })
}

/** RFC 9110, 15.5.6: what else may be done with what the path names. */
function withAllow(reply: Reply, { method }: RegistryRequest, endpoint: Endpoint | undefined): Reply {
  if (reply.status === 405 && endpoint !== undefined) {
    reply.headers.push('Allow', [...endpoint.methods.keys()].filter((each) => each !== method).join(', '))
  }
  return reply
}

/** RFC 9112, 3.2. */
export function hostMissing(): OciError {
  return new HttpRefusal(400, 'REQUEST_INVALID', 'the request has no Host', {
    detail: 'HTTP/1.1 needs a header Host: with the name that the client was told',
  })
}

export function unknownExpectation(): OciError {
  return new HttpRefusal(417, 'REQUEST_INVALID', 'the expectation cannot be met', {
    detail: 'Expect: only 100-continue is known',
  })
}

export function goingAway(): OciError {
  return new OciError('UNAVAILABLE', 'the registry is going away', { detail: 'try again in a moment' })
}

function clientGone(cause: ClientGone): OciError {
  return new HttpRefusal(400, 'SIZE_INVALID', 'the body ended early', { detail: cause.message, cause })
}

/** The reply to what the client has caused; throws everything else again. */
export function refusalReply(
  error: unknown,
  request: RegistryRequest,
  endpoint: Endpoint | undefined,
): Reply {
  if (error instanceof OciError) return withAllow(errorReply(error), request, endpoint)
  if (error instanceof ClientGone) return errorReply(clientGone(error))
  throw error
}
