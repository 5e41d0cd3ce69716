import { robotPrefix, type Principal } from './principal.ts'

/**
 * What keeps a name or a group from having come the way it came, in words; undefined where nothing does. Names of the
 * cluster's own (`system:`) come from the cluster, and from trow's own CA for one node; robots' names from robots.
 */
export function sourceProblem(principal: Principal): string | undefined {
  const { kind, name, groups } = principal
  if (kind === 'anonymous') return undefined
  if (name === '') return 'it names nobody'
  if (name.startsWith(robotPrefix) !== (kind === 'robot'))
    return `names that begin with "${robotPrefix}" are robots'`
  if (name === 'system:anonymous' || groups.includes('system:unauthenticated'))
    return 'the anonymous caller shows no credential'
  if (kind === 'kubernetes' || kind === 'certificate' || kind === 'node-certificate') return undefined
  if (name.startsWith('system:') || groups.some((group) => group.startsWith('system:')))
    return 'names and groups that begin with "system:" come from a cluster only'
  return undefined
}
