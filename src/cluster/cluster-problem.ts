import { ClusterFault } from './cluster-fault.ts'
import type { KubeContext } from './kube-context.ts'
import { exitCode, UserError } from '../user-error.ts'

/**
 * Converts a ClusterFault into a UserError: CLUSTER_UNREACHABLE, CLUSTER_NOT_PERMITTED or CLUSTER_REFUSED. Returns any
 * other error unchanged. `needs` is the hint that names the missing permission, if the caller knows it.
 */
export function explainFault(error: unknown, context: KubeContext, needs?: string): unknown {
  if (!(error instanceof ClusterFault)) return error
  const { kind, message } = error
  const options = { cause: error }
  switch (kind) {
    case 'unreachable':
    case 'busy':
      return new UserError('CLUSTER_UNREACHABLE', message, {
        hint: `Context "${context.name}"; kubectl version shows whether its API server answers.`,
        exitCode: exitCode.unreachable,
        ...options,
      })
    case 'unauthorized':
      return new UserError('CLUSTER_NOT_PERMITTED', message, {
        hint: `The API server does not know the credential of context "${context.name}".`,
        exitCode: exitCode.notPermitted,
        ...options,
      })
    case 'forbidden':
      return new UserError('CLUSTER_NOT_PERMITTED', message, {
        hint: needs ?? `Context "${context.name}" may not do that.`,
        exitCode: exitCode.notPermitted,
        ...options,
      })
    case 'refused':
      return new UserError('CLUSTER_REFUSED', message, options)
  }
}
