/**
 * Why a registry gave no answer that can be used. The message is a sentence about the registry, without a credential; what
 * the person can do about it is known to whoever asked.
 */
export class UpstreamFault extends Error {
  /**
   * - `unreachable`: there is no connection, or it was cut; another one may do better
   * - `given-up`: whoever dials sees no use in another attempt, and says why in `cause`
   * - `untrusted`: its certificate is not that of the host, or of no CA that is trusted
   * - `denied`: it answered 401 or 403, whatever was presented
   * - `token-service`: the token service that it names gave no token
   * - `missing`: it has no such thing, as a whole: no audit log
   * - `kept`: it does not delete this, or nothing at all (405)
   * - `unexpected-status`: it answered with a status that the specification does not have there; see `status`
   * - `malformed`: its answer is not what was asked for
   * - `failed`: it began to answer, and then said what went wrong
   */
  readonly kind:
    | 'unreachable'
    | 'given-up'
    | 'untrusted'
    | 'denied'
    | 'token-service'
    | 'missing'
    | 'kept'
    | 'unexpected-status'
    | 'malformed'
    | 'failed'
  /** Of `unexpected-status` alone. */
  readonly status: number | undefined

  constructor(
    kind: UpstreamFault['kind'],
    message: string,
    options: { readonly status?: number; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'UpstreamFault'
    this.kind = kind
    this.status = options.status
  }
}
