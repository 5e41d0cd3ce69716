import { KnownHosts } from '../http/known-hosts.ts'
import { isLoopback } from '../loopback.ts'
import type { Settings } from '../settings/settings-schema.ts'

/**
 * Of a listener that lets everybody in without TLS: undefined beyond loopback, where its names are not known. With TLS a
 * page under another name fails by the certificate.
 */
export function knownHosts(settings: Settings, listen: string): KnownHosts | undefined {
  return isLoopback(listen) ? new KnownHosts([listen, ...settings['token-hosts']]) : undefined
}
