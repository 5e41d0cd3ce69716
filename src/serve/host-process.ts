import type { Writable } from 'node:stream'

/** The parts of its process that a server uses. */
export interface HostProcess {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stderr: { readonly isTTY?: boolean }
  /** Writes are passed on byte for byte. */
  readonly exact: { readonly stdout: Writable }
  /** Calls `listener` at SIGINT and SIGTERM. */
  onStop(listener: (signal: 'SIGINT' | 'SIGTERM') => void): void
  /**
   * Calls `listener` at SIGHUP, which then does not end the process. Undefined where the platform has no
   * SIGHUP.
   */
  onHangup?(listener: () => void): void
}
