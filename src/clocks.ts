/** The two clocks of a machine, for code that a wrong wall clock must not mislead. */
export interface Clocks {
  /** Milliseconds since 1970. The clock may be wrong, and may jump. */
  wall(): number
  /** Milliseconds since an arbitrary start; never jumps. */
  monotonic(): number
}

/** Makes a clock that never shows less than before, so that a wall clock that is set back revives nothing that has ended. */
export function neverBack(now: () => number): () => number {
  let latest = -Infinity
  return () => (latest = Math.max(latest, now()))
}
