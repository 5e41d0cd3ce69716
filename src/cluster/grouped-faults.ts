/** A fault to report. With `node`, equal faults of several nodes are reported as one. */
export interface Fault {
  readonly node?: string | undefined
  readonly text: string
}

/** Names that are printed before "and … more". */
const shownNames = 3

/** `n1, n2, n3 and 297 more`. */
export function named(names: readonly string[], most = shownNames): string {
  // Printing one more name takes no more room than "and 1 more".
  if (names.length <= most + 1) return names.join(', ')
  return `${names.slice(0, most).join(', ')} and ${names.length - most} more`
}

/**
 * The key that equal faults of several nodes share: the text without the node's name, addresses, times and the random
 * suffixes of pod names.
 */
export function faultKey({ node, text }: Fault): string {
  const ofNode = node === undefined ? text : text.split(node).join('NODE')
  return ofNode
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z?/g, 'TIME')
    .replaceAll(/\b\d+ (ms|s|min|h)\b/g, 'TIME')
    .replaceAll(/(\d{1,3}(\.\d{1,3}){3}|\[[\da-f:]+\])(:\d+)?/gi, 'ADDRESS')
    .replaceAll(/\bpod "?[a-z0-9.-]+"?/gi, 'POD')
}

/** Groups by key, in the order in which the keys first appear. */
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

/** One line per group of equal faults: `n1, n2, n3 and 297 more: its agent …`. Faults without a node stay single. */
export function faultLines(faults: readonly Fault[]): string[] {
  const groups = groupBy(faults, (fault, index) =>
    fault.node === undefined ? `${index}` : `node ${faultKey(fault)}`,
  )
  return groups.map((group) => {
    const { node, text = '' } = group[0] ?? {}
    return node === undefined ? text : `${named(group.map((each) => each.node ?? ''))}: ${text}`
  })
}
