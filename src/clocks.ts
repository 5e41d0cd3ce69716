/** The two clocks of a machine, as what must not be fooled by the first one is given them. */
export interface Clocks {
  /** Milliseconds since 1970; may be set wrong, and jump. */
  wall(): number
  /** Milliseconds since some start; never jumps. */
  monotonic(): number
}
