import { UpstreamFault } from '../../upstream/upstream-fault.ts'
import { exitCode, UserError } from '../../user-error.ts'

const usualNeeds = 'Give credentials with --username and --password-stdin.'

/**
 * An UpstreamFault in words for the person at the terminal: UserError REGISTRY_UNREACHABLE, REGISTRY_UNTRUSTED,
 * REGISTRY_DENIED, REGISTRY_FAILED, MANIFEST_KEPT, or what `dialFault` was made from. Everything else comes back as it is.
 * `needs`: what somebody can do who is not permitted something, where the caller knows more than that credentials help.
 */
export function explainUpstream(error: unknown, needs = usualNeeds): unknown {
  if (!(error instanceof UpstreamFault)) return error
  const { kind, message, cause } = error
  if (cause instanceof UserError) return cause
  switch (kind) {
    case 'unreachable':
    case 'given-up':
      return new UserError('REGISTRY_UNREACHABLE', message, {
        hint: 'Check the address, and whether the registry runs; --plain-http is for registries without TLS.',
        cause: error,
        exitCode: exitCode.unreachable,
      })
    case 'untrusted':
      return new UserError('REGISTRY_UNTRUSTED', message, {
        hint: 'Give the CA of the registry with --ca FILE.',
        cause: error,
        exitCode: exitCode.unreachable,
      })
    case 'denied':
      return new UserError('REGISTRY_DENIED', message, {
        hint: needs,
        cause: error,
        exitCode: exitCode.notPermitted,
      })
    case 'token-service':
      return new UserError('REGISTRY_FAILED', message, {
        hint: 'Check the credentials: --username and --password-stdin, or a new docker login.',
        cause: error,
      })
    case 'kept':
      return new UserError('MANIFEST_KEPT', message, {
        hint: 'What another manifest needs goes after that one: an index first, then its children.',
        cause: error,
      })
    case 'missing':
    case 'unexpected-status':
    case 'malformed':
    case 'failed':
      return new UserError('REGISTRY_FAILED', message, { cause: error })
  }
}

/**
 * For what dials connections of `upstream`: a UserError travels in a fault, so that `explainUpstream` gives it back. A pod
 * that is not ready has been waited for, so upstream tries again only where the API server did not answer.
 */
export function dialFault(error: unknown): unknown {
  if (!(error instanceof UserError)) return error
  const kind = error.code === 'CLUSTER_UNREACHABLE' ? 'unreachable' : 'given-up'
  return new UpstreamFault(kind, error.message, { cause: error })
}
