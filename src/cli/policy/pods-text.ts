import type { PodsRunning } from '../../scan/pods-running.ts'
import { indentedTable, type Look } from '../table.ts'

/** The pods that run a digest, with their owners. */
export function podsText(running: PodsRunning | { readonly unseen: string }, look?: Look): string {
  if ('unseen' in running) return `\nwhich pods run it is not known: ${running.unseen}\n`
  const { pods, leftOut } = running
  if (pods.length === 0) return '\nno running pod names it, or is said by its node to run it\n'
  const rows = pods.map(({ namespace, pod, node, owner, isStatic, place, image, by }) => [
    namespace,
    isStatic ? 'its node (static)' : owner === undefined ? '-' : `${owner.kind}/${owner.name}`,
    pod,
    node,
    place,
    by === 'name' ? `${image} (by its name)` : image,
  ])
  const table = indentedTable([['NAMESPACE', 'OWNER', 'POD', 'NODE', 'CONTAINER', 'IMAGE'], ...rows], look)
  const more = leftOut === 0 ? '' : `  and ${leftOut} more\n`
  return `\nruns in\n${table}${more}`
}
