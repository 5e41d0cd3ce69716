import { UserError } from '../user-error.ts'

/** All that is wrong with the settings; as one error it is the first of them. */
export class SettingsError extends UserError {
  readonly problems: readonly UserError[]

  /** `problems` has at least one. */
  constructor(problems: readonly UserError[]) {
    const [first] = problems
    super(first?.code ?? 'CONFIG_INVALID', first?.message ?? '', {
      ...(first?.hint !== undefined && { hint: first.hint }),
      ...(first !== undefined && { exitCode: first.exitCode }),
    })
    this.problems = problems
  }
}
