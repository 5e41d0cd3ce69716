import { exitCode, UserError } from '../user-error.ts'
import { nearestName } from './nearest-name.ts'

/** `hint`: where no known name is near. */
export function unknownSetting(
  name: string,
  known: readonly string[],
  {
    where,
    hint = 'trow serve --help lists all settings.',
  }: { readonly where: string; readonly hint?: string | undefined },
): UserError {
  const nearest = nearestName(name, known)
  return new UserError('CONFIG_UNKNOWN_KEY', `${where}: there is no setting "${name}"`, {
    hint: nearest === undefined ? hint : `Did you mean "${nearest}"?`,
    exitCode: exitCode.usage,
  })
}
