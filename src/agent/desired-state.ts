import { z } from 'zod'
import type { KubeObject } from '../cluster/cluster-objects.ts'
import { nodeSettingsSchema, type NodeSettings } from '../cluster/node-settings.ts'
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
  const data = dataSchema.safeParse(object['data'] ?? {})
  if (!data.success) return inWords(data.error)
  const { 'settings.json': text, 'ca.crt': bundle } = data.data
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return 'settings.json is no JSON'
  }
  const parsed = nodeSettingsSchema.safeParse(json)
  if (!parsed.success) return `settings.json: ${inWords(parsed.error)}`
  const settings = parsed.data
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

function inWords(error: z.ZodError): string {
  return z.prettifyError(error).replaceAll(/\s*\n\s*/g, ' ')
}
