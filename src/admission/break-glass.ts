/** That somebody has opened webhook and floor for a time. */
export interface BreakGlass {
  /** Milliseconds since 1970. */
  readonly until: number
  readonly reason: string
}

/** Longest reason that is shown and recorded. */
const longestReason = 200

/**
 * Reads the data of ConfigMap `break-glass`: `until`, a time of RFC 3339, and `reason`. Undefined: it is not open, because there
 * is none, its time is over or is no time. One without an end opens nothing.
 */
export function readBreakGlass(
  data: Readonly<Record<string, string>> | undefined,
  now: number,
): BreakGlass | undefined {
  const written = data?.['until'] ?? ''
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(written)) return undefined
  const until = Date.parse(written)
  if (Number.isNaN(until) || until <= now) return undefined
  return { until, reason: (data?.['reason'] ?? '').slice(0, longestReason).toWellFormed() }
}
