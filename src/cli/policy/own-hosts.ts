import { canonicalHost } from '../../policy/host-name.ts'
import { exitCode, UserError } from '../../user-error.ts'

/** Converts hosts to their canonical form. Throws UserError OPTION_INVALID. */
export function ownHostsOf(written: readonly string[]): ReadonlySet<string> {
  return new Set(
    written.map((text) => {
      const result = canonicalHost(text)
      if (result?.kind === 'host') return result.host
      throw new UserError('OPTION_INVALID', `"${text}" is no host of a registry`, {
        hint: 'Write HOST or HOST:PORT, as in the name of an image: registry.example.com:5000.',
        exitCode: exitCode.usage,
      })
    }),
  )
}
