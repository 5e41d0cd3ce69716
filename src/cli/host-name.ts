import { exitCode, UserError } from '../user-error.ts'

/** Checks that `--host` is a domain name. Throws UserError OPTION_INVALID. */
export function hostName(host: string): string {
  if (/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$/.test(host)) return host
  throw new UserError('OPTION_INVALID', `--host ${host} is no domain name`, {
    hint: 'Write registry.example.com, in small letters, without a port.',
    exitCode: exitCode.usage,
  })
}
