import type { Log } from '../log.ts'
import { isLoopback } from '../loopback.ts'
import { exitCode, UserError } from '../user-error.ts'
import { isAccessControlled } from '../settings/access-settings.ts'
import type { Settings } from '../settings/settings-schema.ts'

/** Beyond loopback there must be TLS or an explicit --plain-http. Throws UserError PLAIN_HTTP_REFUSED, TLS_INCOMPLETE. */
export function checkExposure(settings: Settings, log: Log): void {
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
  log.warn('access is open: everybody who reaches this address may push, pull and delete', { host })
}
