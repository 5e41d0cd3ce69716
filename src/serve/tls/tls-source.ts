import type { TlsPair } from '../../http/tls-context.ts'
import type { SigningAuthority } from './signing-authority.ts'

/** The server's current certificate, and notice of its changes. */
export interface TlsSource {
  readonly pair: TlsPair
  /** trow's own CA; undefined when only a certificate from another CA is used. */
  readonly own: SigningAuthority | undefined
  onChange(listener: () => void): void
  close(): void
}
