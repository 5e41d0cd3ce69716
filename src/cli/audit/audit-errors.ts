import { UpstreamFault } from '../../upstream/upstream-fault.ts'
import { UserError } from '../../user-error.ts'
import { explainUpstream } from '../upstream/upstream-errors.ts'

/**
 * A fault of AuditClient in words: UserError AUDIT_MISSING, SERVER_FAILED and those of `explainUpstream`, which `needs` is
 * for. Everything else comes back as it is.
 */
export function explainAuditFault(error: unknown, needs?: string): unknown {
  if (!(error instanceof UpstreamFault)) return error
  const { kind, message } = error
  if (kind === 'missing')
    return new UserError('AUDIT_MISSING', message, {
      hint: 'It keeps none (setting audit), or is older than this command.',
      cause: error,
    })
  if (kind === 'malformed' || kind === 'failed')
    return new UserError('SERVER_FAILED', message, { cause: error })
  return explainUpstream(error, needs)
}
