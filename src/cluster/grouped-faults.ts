/** What is told of something that is not as it should be; `node`: whose it is, so that equal ones can be told together. */
export interface Fault {
  readonly node?: string | undefined
  readonly text: string
}

/** Names that a person is shown of many. */
const shownNames = 3

/** `n1, n2, n3 and 297 more`. */
export function named(names: readonly string[], most = shownNames): string {
  // One more name takes no more room than to say that there is one more.
  if (names.length <= most + 1) return names.join(', ')
  return `${names.slice(0, most).join(', ')} and ${names.length - most} more`
}

/**
 * What equal faults of several nodes have in common: the text without the node's name, and without addresses, times and
 * the random ends of its pods' names.
 */
export function faultKey({ node, text }: Fault): string {
  const ofNode = node === undefined ? text : text.split(node).join('NODE')
  return ofNode
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z?/g, 'TIME')
    .replaceAll(/\b\d+ (ms|s|min|h)\b/g, 'TIME')
    .replaceAll(/(\d{1,3}(\.\d{1,3}){3}|\[[\da-f:]+\])(:\d+)?/gi, 'ADDRESS')
    .replaceAll(/\bpod "?[a-z0-9.-]+"?/gi, 'POD')
}

/** Those of one key together, in the order of their first. */
export function groupBy<T>(all: readonly T[], keyOf: (one: T, index: number) => string): T[][] {
  const groups = new Map<string, T[]>()
  for (const [index, one] of all.entries()) {
    const key = keyOf(one, index)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [one])
    else group.push(one)
  }
  return [...groups.values()]
}

/** A line for all that are equal: `n1, n2, n3 and 297 more: its agent has not reported yet`. Those of no node stay single. */
export function faultLines(faults: readonly Fault[]): string[] {
  const groups = groupBy(faults, (fault, index) =>
    fault.node === undefined ? `${index}` : `node ${faultKey(fault)}`,
  )
  return groups.map((group) => {
    const { node, text = '' } = group[0] ?? {}
    return node === undefined ? text : `${named(group.map((each) => each.node ?? ''))}: ${text}`
  })
}
