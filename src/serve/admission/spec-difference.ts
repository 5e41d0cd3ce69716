/** The JSON merge patch (RFC 7386) that makes `actual` exactly `wanted`; undefined: they are equal. */
export function specDifference(actual: unknown, wanted: unknown): unknown {
  if (!isRecord(actual) || !isRecord(wanted))
    return JSON.stringify(actual) === JSON.stringify(wanted) ? undefined : wanted
  const changes = new Map<string, unknown>()
  for (const name of Object.keys(actual)) if (!Object.hasOwn(wanted, name)) changes.set(name, null)
  for (const [name, value] of Object.entries(wanted)) {
    const change = Object.hasOwn(actual, name) ? specDifference(actual[name], value) : value
    if (change !== undefined) changes.set(name, change)
  }
  return changes.size === 0 ? undefined : Object.fromEntries(changes)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
