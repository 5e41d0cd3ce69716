import type { Log } from '../../log.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import type { TlsSource } from './tls-source.ts'
import { watchedTls } from './tls-files.ts'

/**
 * With both kinds at once, `--tls-cert` is shown to clients that ask for a name it holds, and the one that trow makes to all
 * others: nodes reach the registry by addresses, for which nobody else's certificate is good.
 */
export async function openTls(settings: Settings, log: Log): Promise<TlsSource | undefined> {
  const { 'tls-cert': cert, 'tls-key': key } = settings
  const given = cert !== undefined && key !== undefined ? watchedTls({ cert, key }, log) : undefined
  if (!settings['tls-auto']) return given
  // Loaded only when it is used: it costs a tenth of a second.
  const { automaticTls } = await import('./tls-auto.ts')
  const made = await automaticTls(settings, log)
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
