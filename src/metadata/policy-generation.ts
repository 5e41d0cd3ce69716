/** Which policies a change was judged by, so that none is kept which newer ones were not asked about. */
export interface PolicyGenerations {
  /**
   * From now on changes that were judged by another generation fail with PolicyChanged. When it resolves, no such change is
   * committed any more. Not kept: whoever opens the store says it again.
   */
  setGeneration(generation: number): Promise<void>
}

const code = 'POLICY_CHANGED'

/** The policies have changed since the change was judged: nothing was done, and it is to be judged again. */
export class PolicyChanged extends Error {
  /** By which it is known behind the border of a thread, which keeps no class. */
  readonly code = code

  constructor() {
    super('the policies have changed since the change was judged')
    this.name = 'PolicyChanged'
  }
}

export function isPolicyChanged(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
