/**
 * Why a registry gave no usable answer. The message is a sentence about the registry and contains no
 * credential. The caller adds what a user can do.
 */
export class UpstreamFault extends Error {
  /**
   * - `unreachable`: there is no connection, or it was cut; another one may succeed
   * - `given-up`: `dial` expects no success from another attempt; `cause` states why
   * - `untrusted`: its certificate is not for the host, or not from a trusted CA
   * - `not-tls`: it answered something that is no TLS
   * - `denied`: it answered 401 or 403, which is in `status`
   * - `token-service`: the token service that it names gave no token
   * - `missing`: it does not have the whole resource, such as an audit log or a blob
   * - `kept`: it does not delete this, or nothing at all (405)
   * - `unexpected-status`: it answered with a status that the specification does not have there; see
   *   `status`
   * - `malformed`: its answer does not fit the request
   * - `failed`: it began to answer, and then reported an error
   */
  readonly kind:
    | 'unreachable'
    | 'given-up'
    | 'untrusted'
    | 'not-tls'
    | 'denied'
    | 'token-service'
    | 'missing'
    | 'kept'
    | 'unexpected-status'
    | 'malformed'
    | 'failed'
  /** Set for `unexpected-status` and `denied`. */
  readonly status: number | undefined
  /** Of the registry that gave no answer; `undefined` if that was not its client. */
  readonly origin: string | undefined

  constructor(
    kind: UpstreamFault['kind'],
    message: string,
    options: { readonly status?: number; readonly origin?: string; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'UpstreamFault'
    this.kind = kind
    this.status = options.status
    this.origin = options.origin
  }
}
