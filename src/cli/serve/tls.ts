import type { TlsPair } from '../../http/tls-context.ts'
import type { Log } from '../../log.ts'
import type { Settings } from '../settings-schema.ts'
import { watchedTls } from './tls-files.ts'

/** The server's certificate as it is now, and news of it. */
export interface TlsSource {
  readonly pair: TlsPair
  /** Path of the CA that clients must trust; undefined where it is somebody else's. */
  readonly caPath: string | undefined
  onChange(listener: (pair: TlsPair) => void): void
  close(): void
}

export async function openTls(settings: Settings, log: Log): Promise<TlsSource | undefined> {
  const { 'tls-cert': cert, 'tls-key': key } = settings
  if (cert !== undefined && key !== undefined) return watchedTls({ cert, key }, log)
  if (!settings['tls-auto']) return undefined
  // Loaded only when it is used: it costs a tenth of a second.
  const { automaticTls } = await import('./tls-auto.ts')
  return automaticTls(settings, log)
}
