import { counted } from '../../counted.ts'
import { floorParameters, isBinding, type FloorParameters, type FloorPolicies } from './floor-parameters.ts'

export type CompiledFloor =
  | {
      readonly kind: 'compiled'
      readonly parameters: FloorParameters
      /** Whether there is anything that it refuses. */
      readonly isBinding: boolean
      /** When the first of its exceptions ends (ms since 1970): from then on it must be compiled anew. */
      readonly until: number | undefined
    }
  | {
      readonly kind: 'refused'
      /** Sentences that name what does not fit, and the policy. */
      readonly problems: readonly string[]
    }

/**
 * What an API server can store and evaluate for a pod of 20 images: 1.5 MiB an object in etcd, a cost of 1,000,000 for each
 * expression (k8s.io/apiserver/pkg/apis/cel).
 */
export const floorLimits = {
  /** Bytes of the parameters as JSON. */
  bytes: 1_500_000,
  /** Scopes and digests of all policies that enforce, and of all exceptions. */
  entries: 30_000,
  policies: 50,
  /** Scopes of different depth that one name may have to be compared with. */
  depths: 100,
  /** These, for each policy. */
  comparisons: 2500,
  /** Characters of the patterns for namespaces, of all policies together. */
  policyPatterns: 200_000,
  /** Policies that all exceptions for the same scope or digest name together. */
  exceptedPolicies: 500,
  /** Characters of the patterns for namespaces, of all exceptions for the same scope or digest. */
  exceptionPatterns: 2000,
} as const

/** Compiles all policies, or says why the API server could not keep them: nothing is left out. `now`: ms since 1970. */
export function compileFloor(given: FloorPolicies, now: number): CompiledFloor {
  // Nothing larger is compiled, or it would hold the thread.
  const entries = entryProblems(given)
  if (entries.length > 0) return { kind: 'refused', problems: entries }
  const parameters = floorParameters(given, now)
  const problems = [
    ...sizeProblems(given, parameters),
    ...countProblems(parameters),
    ...exceptionProblems(parameters),
  ]
  if (problems.length > 0) return { kind: 'refused', problems }
  const ends = given.exceptions.map(({ expires }) => expires).filter((expires) => expires > now)
  return {
    kind: 'compiled',
    parameters,
    isBinding: isBinding(parameters),
    until: ends.length === 0 ? undefined : Math.min(...ends),
  }
}

function entryProblems({ policies, exceptions }: FloorPolicies): string[] {
  const counts = [
    ...enforcing(policies).map(({ name, rules, deny }) => ({ name, count: rules.length + deny.length })),
    ...exceptions.map(({ name, images }) => ({ name, count: images.length })),
  ]
  const count = counts.reduce((sum, each) => sum + each.count, 0)
  if (count <= floorLimits.entries) return []
  return [
    `the policies that enforce at admission and the exceptions have ${counted(count, 'scope or digest', 'scopes and digests')} together, and the floor takes ${floorLimits.entries}: most are of ${largest(counts)}`,
  ]
}

function sizeProblems({ policies }: FloorPolicies, parameters: FloorParameters): string[] {
  const bytes = bytesOf(parameters)
  if (bytes <= floorLimits.bytes) return []
  const counts = parameters.policies.map((each) => ({ name: each.name, count: bytesOf(each) }))
  const exceptions = bytes - counts.reduce((sum, { count }) => sum + count, 0)
  return [
    `the ${counted(enforcing(policies).length, 'policy', 'policies')} that enforce at admission, and the exceptions, have ${counted(bytes, 'byte')} together, and an object of the API server may have ${floorLimits.bytes}: most are of ${largest([...counts, { name: 'the exceptions', count: exceptions }])}`,
  ]
}

function enforcing(policies: FloorPolicies['policies']): FloorPolicies['policies'] {
  return policies.filter(({ modes }) => modes.admission === 'enforce')
}

/** For example `production (9000), staging (400)`. */
function largest(counts: readonly { readonly name: string; readonly count: number }[]): string {
  return counts
    .toSorted((one, other) => other.count - one.count)
    .slice(0, 3)
    .map(({ name, count }) => `${name} (${count})`)
    .join(', ')
}

function bytesOf(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length
}

function countProblems({ policies, domainDepths, pathDepths }: FloorParameters): string[] {
  const problems: string[] = []
  const { policies: mostPolicies, depths: mostDepths, policyPatterns: mostPatterns } = floorLimits
  if (policies.length > mostPolicies)
    problems.push(
      `${counted(policies.length, 'policy', 'policies')} judge at admission, and the floor takes ${mostPolicies}`,
    )
  const depths = (domainDepths.length + 1) * pathDepths.length
  if (depths > mostDepths)
    problems.push(
      `the scopes have ${domainDepths.length} different depths of *. domains and ${pathDepths.length} of paths, which makes ${depths} comparisons for a name, and the floor takes ${mostDepths}`,
    )
  if (depths <= mostDepths && depths * policies.length > floorLimits.comparisons)
    problems.push(
      `${counted(policies.length, 'policy', 'policies')} and scopes of ${depths} different depths make ${counted(depths * policies.length, 'comparison')} for a name, and the floor takes ${floorLimits.comparisons}`,
    )
  const patterns = policies.map(({ name, include, exclude }) => ({
    name,
    length: include.pattern.length + exclude.pattern.length,
  }))
  const length = patterns.reduce((sum, each) => sum + each.length, 0)
  const [longest] = patterns.sort((one, other) => other.length - one.length)
  if (length > mostPatterns)
    problems.push(
      `the patterns for namespaces have ${counted(length, 'character')} together, and the floor takes ${mostPatterns}: most are of ${longest?.name}`,
    )
  return problems
}

function exceptionProblems({ exceptions, exceptedScopes, exceptedDigests }: FloorParameters): string[] {
  const entries = [...Object.entries(exceptedScopes), ...Object.entries(exceptedDigests)]
  return entries.flatMap(([image, ids]) => {
    const named = ids.split(' ')
    const length = named.reduce((sum, id) => sum + (exceptions[id]?.namespaces.pattern.length ?? 0), 0)
    const policies = named.reduce((sum, id) => sum + Object.keys(exceptions[id]?.policies ?? {}).length, 0)
    if (policies > floorLimits.exceptedPolicies)
      return `the exceptions for ${image} name ${counted(policies, 'policy', 'policies')} together, and the floor takes ${floorLimits.exceptedPolicies}`
    if (length > floorLimits.exceptionPatterns)
      return `the patterns for namespaces of the exceptions for ${image} have ${counted(length, 'character')}, and the floor takes ${floorLimits.exceptionPatterns}`
    return []
  })
}
