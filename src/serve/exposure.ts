import type { Log } from '../log.ts'
import { isLoopback } from '../loopback.ts'
import { exitCode, UserError } from '../user-error.ts'
import { isAccessControlled } from '../settings/access-settings.ts'
import type { Settings } from '../settings/settings-schema.ts'

/**
 * An address other than loopback needs TLS or an explicit --plain-http. Throws UserError PLAIN_HTTP_REFUSED,
 * TLS_INCOMPLETE.
 */
export function checkExposure(settings: Settings, log: Log | undefined): void {
  const { host } = settings.listen
  if ((settings['tls-cert'] === undefined) !== (settings['tls-key'] === undefined)) {
    throw new UserError('TLS_INCOMPLETE', '--tls-cert and --tls-key go together', {
      hint: 'Give both, or --tls-auto for a certificate that trow makes.',
      exitCode: exitCode.usage,
    })
  }
  if (settings['tls-ca'] !== undefined && !settings['tls-auto'] && !settings.kubernetes) {
    throw new UserError('TLS_INCOMPLETE', '--tls-ca signs nothing without --tls-auto', {
      hint: 'Add --tls-auto.',
      exitCode: exitCode.usage,
    })
  }
  if (isLoopback(host)) return
  const tls = settings['tls-auto'] || settings['tls-cert'] !== undefined
  if (!tls && !settings['plain-http']) {
    throw new UserError('PLAIN_HTTP_REFUSED', `${host} is not loopback, and there is no TLS`, {
      hint: 'Add --tls-auto, or --tls-cert and --tls-key; --plain-http allows HTTP to everybody who can reach it.',
      exitCode: exitCode.usage,
    })
  }
  if (isAccessControlled(settings)) return
  log?.warn('access is open: everybody who reaches this address may push, pull and delete', { host })
}

/**
 * The processes of a shared registry sign with one CA: a client that trusts that of one would not trust the
 * certificate of another. Throws UserError TLS_INCOMPLETE where each would make a CA in its own data folder.
 */
export function checkSharedAuthority(settings: Settings): void {
  const signing = (['tls-auto', 'kubernetes'] as const).find((name) => settings[name])
  if (signing === undefined || settings['tls-ca'] !== undefined) return
  throw new UserError(
    'TLS_INCOMPLETE',
    `--${signing} needs --tls-ca where --database and --s3 make one registry of several processes: each would make a CA of its own`,
    {
      hint:
        signing === 'tls-auto'
          ? 'Give all of them the same CA with --tls-ca, or one certificate with --tls-cert and --tls-key instead of --tls-auto.'
          : 'Give all of them the same CA with --tls-ca.',
      exitCode: exitCode.usage,
    },
  )
}
