/** One thing that was looked at, before an install or of one that is there. */
export interface Check {
  readonly description: string
  /** `unknown`: there was no answer, which is never healthy. */
  readonly result: 'success' | 'warning' | 'error' | 'unknown'
  /** What was found instead, in words; not given where all is well. */
  readonly error?: string
  /** What to do about it: names the node, the file, the command. */
  readonly hint?: string
  /** Of one node: equal checks of several are told together to people. */
  readonly node?: string
}

export interface CheckCategory {
  readonly categoryName: string
  readonly checks: readonly Check[]
}

/** Whether something was found that a person must see to. Warnings do not count. */
export function hasProblems(categories: readonly CheckCategory[]): boolean {
  return categories.some(({ checks }) =>
    checks.some(({ result }) => result === 'error' || result === 'unknown'),
  )
}
