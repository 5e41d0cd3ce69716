import { createHash } from 'node:crypto'

/**
 * Returns `sha256:…` of the value as JSON with sorted names: equal values have equal hashes, whatever format
 * they were read from.
 */
export function hashOf(value: unknown): string {
  return `sha256:${createHash('sha256')
    .update(JSON.stringify(sorted(value)))
    .digest('hex')}`
}

/** The recursion is bounded, because a document's nesting is limited. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((each) => sorted(each))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([name, each]) => [name, sorted(each)] as const)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}
