import type { Writable } from 'node:stream'

/** What a server touches of the process that it runs in. */
export interface HostProcess {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stderr: { readonly isTTY?: boolean }
  /** Written byte for byte. */
  readonly exact: { readonly stdout: Writable }
  /** Calls back at SIGINT and SIGTERM. */
  onStop(listener: (signal: 'SIGINT' | 'SIGTERM') => void): void
  /** Calls back at SIGHUP, which then ends nothing. Undefined where there is none. */
  onHangup?(listener: () => void): void
}
