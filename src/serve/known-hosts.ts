import { KnownHosts } from '../http/known-hosts.ts'
import { isLoopback } from '../loopback.ts'
import type { Settings } from '../settings/settings-schema.ts'

/**
 * For a listener that is open to everyone without TLS: the host names it accepts, against DNS rebinding.
 * Undefined beyond loopback, where the listener's names are not known. A listener with TLS needs no list: a
 * page under another name fails at the certificate.
 */
export function knownHosts(settings: Settings, listen: string): KnownHosts | undefined {
  return isLoopback(listen) ? new KnownHosts([listen, ...settings['token-hosts']]) : undefined
}
