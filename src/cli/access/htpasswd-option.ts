import { exitCode, UserError } from '../../user-error.ts'
import { settingsOf } from '../setting-options.ts'
import type { Terminal } from '../streams.ts'

export interface HtpasswdOptions {
  readonly htpasswd?: string
  readonly config?: string
}

/**
 * Returns the file of the flag, or of the settings. Throws UserError HTPASSWD_MISSING, and as `settingsOf`.
 */
export async function htpasswdOf(options: HtpasswdOptions, terminal: Terminal): Promise<string> {
  const path = options.htpasswd ?? (await settingsPath(options, terminal))
  if (path !== undefined) return path
  throw new UserError('HTPASSWD_MISSING', 'no htpasswd file is named', {
    hint: 'Give --htpasswd FILE, set TROW_HTPASSWD, or name a trow.yaml with --config.',
    exitCode: exitCode.usage,
  })
}

async function settingsPath(options: HtpasswdOptions, terminal: Terminal): Promise<string | undefined> {
  const { settings } = await settingsOf({ config: options.config }, terminal)
  return (settings as { readonly htpasswd?: string }).htpasswd
}
