import { exitCode, UserError } from '../user-error.ts'
import type { ClusterOptions } from './cluster/cluster-options.ts'

type PlaceOptions = ClusterOptions & Readonly<Record<string, unknown>>

/** Whether flags name the folder of a server on this machine. Throws UserError CONFIG_INVALID if they name a cluster too. */
export function isFolderNamed(options: PlaceOptions): boolean {
  const isNamed = (options['data'] ?? options['config']) !== undefined
  if (isNamed && isClusterNamed(options)) {
    throw new UserError('CONFIG_INVALID', 'both a folder and a cluster are named', {
      hint: 'Leave out --data and --config, or --kubeconfig, --context and --namespace.',
      exitCode: exitCode.usage,
    })
  }
  return isNamed
}

export function isClusterNamed({ kubeconfig, context, namespace }: PlaceOptions): boolean {
  return (kubeconfig ?? context ?? namespace) !== undefined
}
