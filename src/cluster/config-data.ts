import type { KubeObject } from './cluster-objects.ts'
import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'

/** What is read of the settings here; a member of another type counts as absent. */
const settingsSchema = z.object({
  host: z.string().optional().catch(undefined),
  trustNodes: z.boolean().optional().catch(undefined),
})

/** The CAs that clients are to trust, PEM; the generation grows with every change of them. */
export interface Bundle {
  readonly certificates: string
  readonly generation: number
}

/** Of ConfigMap `trow-ca`. Undefined where it is not there or holds no bundle. */
export function bundleOf(map: KubeObject | undefined): Bundle | undefined {
  const data = (map?.['data'] ?? {}) as Readonly<Record<string, string>>
  const certificates = data['ca.crt']
  const generation = Number(data['generation'])
  return certificates === undefined || !Number.isSafeInteger(generation)
    ? undefined
    : { certificates, generation }
}

/** `host` of the settings of the last install, ConfigMap `trow-install`; undefined: it has none, or cannot be read. */
export function installedHost(map: KubeObject | undefined): string | undefined {
  const data = (map?.['data'] ?? {}) as Readonly<Record<string, string>>
  return tryForeignJson(data['settings.json'], settingsSchema)?.host || undefined
}

/** The last install was one with `--no-trust-nodes`; false also where that cannot be read. */
export function leavesNodesAlone(map: KubeObject | undefined): boolean {
  const data = (map?.['data'] ?? {}) as Readonly<Record<string, string>>
  return tryForeignJson(data['settings.json'], settingsSchema)?.trustNodes === false
}

/** What a Secret holds under a key. */
export function secretText(secret: KubeObject | undefined, key: string): string | undefined {
  const text = ((secret?.['data'] ?? {}) as Readonly<Record<string, string>>)[key]
  return text === undefined ? undefined : Buffer.from(text, 'base64').toString('utf8')
}
