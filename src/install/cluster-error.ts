import { ApplyConflict, type KubeReference } from '../cluster/cluster-objects.ts'
import { ClusterFault } from '../cluster/cluster-fault.ts'
import { exitCode, UserError } from '../user-error.ts'

/** Returns whether a retry may help. */
export function isPassing(error: unknown): boolean {
  return error instanceof ClusterFault && (error.kind === 'unreachable' || error.kind === 'busy')
}

/** `StatefulSet trow in trow`. */
export function nameOf({ kind, name, namespace }: KubeReference): string {
  return `${kind} ${name}${namespace === undefined ? '' : ` in ${namespace}`}`
}

/**
 * Converts an error of the API server into a UserError that names a way out; other errors are returned
 * unchanged.
 */
export function explained(error: unknown, what: string): unknown {
  if (error instanceof ApplyConflict) {
    const owners = error.owners.map(({ manager, field }) => `${manager}: ${field}`).join('; ')
    return new UserError('APPLY_CONFLICT', `${nameOf(error.object)}: others own fields of it (${owners})`, {
      hint: '--force-conflicts takes them over; the other manager may take them back.',
      cause: error,
    })
  }
  if (!(error instanceof ClusterFault)) return error
  const message = `${what}: ${error.message}`
  switch (error.kind) {
    case 'unreachable':
    case 'busy':
      return new UserError('CLUSTER_UNREACHABLE', message, {
        hint: 'What was done stays; trow install again goes on from there.',
        exitCode: exitCode.unreachable,
        cause: error,
      })
    case 'unauthorized':
    case 'forbidden':
      return new UserError('CLUSTER_NOT_PERMITTED', message, {
        hint: 'What was done stays; with the right to do this, trow install again goes on from there.',
        exitCode: exitCode.notPermitted,
        cause: error,
      })
    case 'refused':
      return new UserError('CLUSTER_REFUSED', message, { cause: error })
  }
}
