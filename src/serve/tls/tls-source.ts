import type { TlsPair } from '../../http/tls-context.ts'
import type { SigningAuthority } from './signing-authority.ts'

/** The server's certificate as it is now, and news of it. */
export interface TlsSource {
  readonly pair: TlsPair
  /** trow's own CA; undefined where the certificate is somebody else's alone. */
  readonly own: SigningAuthority | undefined
  onChange(listener: () => void): void
  close(): void
}
