/** The result of one check, before an install or of an existing install. */
export interface Check {
  readonly description: string
  /** `unknown` means that there was no answer; it never counts as healthy. */
  readonly result: 'success' | 'warning' | 'error' | 'unknown'
  /** What was found instead, as a sentence. Absent if the result is `success`. */
  readonly error?: string
  /** What to do about it: names the node, the file, the command. */
  readonly hint?: string
  /** The node that the check is about. Equal checks of several nodes are printed as one. */
  readonly node?: string
}

export interface CheckCategory {
  readonly categoryName: string
  readonly checks: readonly Check[]
}

/** Returns whether a person must act: `error` and `unknown` count, warnings do not. */
export function hasProblems(categories: readonly CheckCategory[]): boolean {
  return categories.some(({ checks }) =>
    checks.some(({ result }) => result === 'error' || result === 'unknown'),
  )
}
