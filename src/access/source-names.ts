import { robotPrefix, type Principal } from './principal.ts'

/**
 * Why a principal of this kind cannot have its name or its groups, as text; undefined: it can. Names that
 * begin with `system:` come only from the cluster, or from trow's own CA for one node; names of robots only
 * from robots.
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
