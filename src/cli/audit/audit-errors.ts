import { names } from '../../cluster/layout.ts'
import { UpstreamFault } from '../../upstream/upstream-fault.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { OpenCluster } from '../cluster/cluster-options.ts'
import { bindingCommand } from '../cluster/registry-road.ts'
import type { RegistryWay } from '../way/registry-way.ts'
import { explainUpstream } from '../way/upstream-errors.ts'

/**
 * Converts a fault of AuditClient: UserError AUDIT_MISSING, SERVER_FAILED and those of `explainUpstream`,
 * for which `way` is where the fault occurred. Other errors are returned unchanged.
 */
export function explainAuditFault(
  error: unknown,
  way?: Pick<RegistryWay, 'origin' | 'credentialOrigin' | 'deniedHint'>,
): unknown {
  if (!(error instanceof UpstreamFault)) return error
  const { kind, message } = error
  if (kind === 'missing')
    return new UserError('AUDIT_MISSING', message, {
      hint: 'It keeps none (setting audit), or is older than this command.',
      cause: error,
    })
  if (kind === 'malformed' || kind === 'failed')
    return new UserError('SERVER_FAILED', message, { cause: error })
  return explainUpstream(error, way)
}

/** Gives REGISTRY_DENIED of a registry in a cluster the command for the missing role binding. */
export async function explainNoAuditor(error: unknown, { objects }: OpenCluster): Promise<unknown> {
  if (!(error instanceof UserError) || error.code !== 'REGISTRY_DENIED') return error
  const binding = await bindingCommand(objects, undefined, names.auditorRole)
  return new UserError(error.code, error.message, {
    hint: `Somebody who may has to let you: ${binding}`,
    exitCode: exitCode.notPermitted,
    cause: error,
  })
}
