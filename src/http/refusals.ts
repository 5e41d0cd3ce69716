import { OciError } from '../oci/oci-error.ts'
import { HttpRefusal } from './http-refusal.ts'
import type { ClientGone } from './request-body.ts'

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

export function clientGone(cause: ClientGone): OciError {
  return new HttpRefusal(400, 'SIZE_INVALID', 'the body ended early', { detail: cause.message, cause })
}
