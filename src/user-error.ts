/** Exit codes of every command; see docs/user-guide.md. */
export const exitCode = {
  failed: 1,
  usage: 2,
  unreachable: 69,
  timedOut: 75,
  notPermitted: 77,
  problemsFound: 79,
  interrupted: 130,
} as const

/** What each exit code means, for the documents. */
export const exitMeanings: Readonly<Record<0 | (typeof exitCode)[keyof typeof exitCode], string>> = {
  0: 'done',
  1: 'failed',
  2: 'wrong usage: a command, a flag, an argument or a setting',
  69: 'the cluster or the registry cannot be reached',
  75: 'not done in time',
  77: 'not permitted',
  79: 'a check found problems, or policies refuse what was asked',
  130: 'interrupted',
}

/** An error on which the user can act. It is printed as one line, with the hint below it. */
export class UserError extends Error {
  /** A stable code in capitals, for scripts and documents: `PORT_TAKEN`. */
  readonly code: string
  readonly hint: string | undefined
  readonly exitCode: number

  constructor(
    code: string,
    message: string,
    options: { hint?: string; cause?: unknown; exitCode?: number } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'UserError'
    this.code = code
    this.hint = options.hint
    this.exitCode = options.exitCode ?? exitCode.failed
  }
}
