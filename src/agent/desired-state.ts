import { z } from 'zod'
import type { KubeObject } from '../cluster/cluster-objects.ts'
import { nodeSettingsSchema, type NodeSettings } from '../cluster/node-settings.ts'
import { checkForeign, ForeignJsonError, parseForeignJson } from '../foreign-json.ts'
import { onlyCertificates } from '../pem-bundle.ts'

/** The desired state of a node, checked: its author may not have been authorised to write it. */
export interface DesiredState {
  readonly settings: NodeSettings
  /** PEM of the certificates, and nothing else. */
  readonly bundle: string
}

/** Bytes of `settings.json` and of `ca.crt`; a ConfigMap has room for a megabyte. */
const longest = 256 * 1024

const dataSchema = z.object({
  'settings.json': z.string('is missing').max(longest, 'is too long'),
  'ca.crt': z.string('is missing').max(longest, 'is too long'),
})

/**
 * The desired state in a ConfigMap, or what is wrong with it, as text. `imageHosts`: from the agent's own
 * arguments. A desired state with another host is refused, so that write access to a ConfigMap does not
 * decide for which registries a node trusts a CA.
 */
export function readDesiredState(object: KubeObject, imageHosts: readonly string[]): DesiredState | string {
  const data = read(() => checkForeign(object['data'] ?? {}, dataSchema))
  if (typeof data === 'string') return data
  const { 'settings.json': text, 'ca.crt': bundle } = data
  const settings = read(() => parseForeignJson(text, nodeSettingsSchema))
  if (typeof settings === 'string') return `settings.json: ${settings}`
  const other = settings.hosts.find((host) => !imageHosts.includes(host))
  if (other !== undefined)
    return `settings.json names host ${other}, and this agent's --image-host ${imageHosts.join(' and ')}`
  try {
    const certificates = onlyCertificates(bundle)
    return certificates === '' ? 'ca.crt holds no certificate' : { settings, bundle: certificates }
  } catch {
    return 'ca.crt holds something that is no certificate'
  }
}

/** Returns what is wrong, as text, where it cannot be read. */
function read<Value extends object>(parse: () => Value): Value | string {
  try {
    return parse()
  } catch (error) {
    if (error instanceof ForeignJsonError) return error.message
    throw error
  }
}
