/** What the floor is doing. */
export interface FloorStatus {
  /**
   * `closed`: it refuses; `idle`: no policy enforces anything at admission, so that there is nothing to refuse; `open`: by
   * break-glass; `unknown`: this process has not put it right yet.
   */
  readonly state: 'closed' | 'idle' | 'open' | 'unknown'
  /** What it has; undefined: nothing yet. */
  readonly inForce: FloorContent | undefined
  /** Milliseconds since 1970 at which break-glass ends. */
  readonly openUntil: number | undefined
  /** Sentences; none: it is as the policies are. */
  readonly problems: readonly string[]
}

export interface FloorContent {
  readonly generation: number
  /** Milliseconds since 1970 at which it was written. */
  readonly since: number
  /** Names of the policies that enforce at admission. */
  readonly policies: readonly string[]
  /** The number of exceptions that lift something of these. */
  readonly exceptions: number
}
