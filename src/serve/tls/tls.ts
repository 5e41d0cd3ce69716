import type { Log } from '../../log.ts'
import type { FileChanged } from '../audit/file-change.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import type { TlsSource } from './tls-source.ts'
import { watchedTls } from './tls-files.ts'

/**
 * With both kinds, `--tls-cert` is served to clients that ask for a name in it (SNI), and trow's own
 * certificate to all others: nodes reach the registry by addresses, for which no other CA issues a
 * certificate.
 */
export async function openTls(
  settings: Settings,
  log: Log,
  changed: FileChanged,
): Promise<TlsSource | undefined> {
  const { 'tls-cert': cert, 'tls-key': key } = settings
  const given =
    cert !== undefined && key !== undefined ? watchedTls({ cert, key }, { log, changed }) : undefined
  if (!settings['tls-auto']) return given
  // Loaded only when used: loading takes a tenth of a second.
  const { automaticTls } = await import('./tls-auto.ts')
  const made = await automaticTls(settings, log, changed)
  if (given === undefined) return made
  return {
    get pair() {
      return { ...made.pair, named: given.pair }
    },
    get own() {
      return made.own
    },
    onChange(listener) {
      given.onChange(listener)
      made.onChange(listener)
    },
    close() {
      given.close()
      made.close()
    },
  }
}
