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

/** What the person at the terminal can act on: printed as one line, with the hint below it. */
export class UserError extends Error {
  /** Stable, in capitals, for scripts and documents: `PORT_TAKEN`. */
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
