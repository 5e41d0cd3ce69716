import { exitCode, UserError } from '../user-error.ts'
import { nearestName } from './nearest-name.ts'

export function unknownSetting(name: string, known: readonly string[], where: string): UserError {
  const nearest = nearestName(name, known)
  return new UserError('CONFIG_UNKNOWN_KEY', `${where}: there is no setting "${name}"`, {
    hint: nearest === undefined ? 'trow serve --help lists all settings.' : `Did you mean "${nearest}"?`,
    exitCode: exitCode.usage,
  })
}
