import { UserError } from '../../user-error.ts'
import type { PolicyShape } from './list-edit.ts'

/** The policy that holds what is quarantined, apart from all others. */
export const quarantinePolicy = 'quarantine'

/** Throws UserError QUARANTINE_CHANGED where it would not refuse what stands in it, at push and pull. */
export function checkQuarantine({ spec }: PolicyShape): void {
  const at = Object.values(spec['at'] ?? {}).find((mode) => mode !== 'enforce')
  const problem =
    spec.mode !== 'enforce'
      ? `its mode is "${spec.mode}"`
      : at !== undefined
        ? `its mode is "${String(at)}" at a point`
        : spec['namespaces'] !== undefined
          ? 'it is for some namespaces only'
          : undefined
  if (problem === undefined) return
  throw new UserError(
    'QUARANTINE_CHANGED',
    `policy ${quarantinePolicy} does not refuse everywhere: ${problem}`,
    {
      hint: 'Somebody has changed it by hand: make it mode "enforce" without "at" and "namespaces", or remove it.',
    },
  )
}
