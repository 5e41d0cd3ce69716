import type { KubeObject } from './cluster-objects.ts'
import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'

/** The settings that are read here; a member of another type counts as absent. */
const settingsSchema = z.object({
  host: z.string().optional().catch(undefined),
  trustNodes: z.boolean().optional().catch(undefined),
  admission: z.boolean().optional().catch(undefined),
})

/** The CAs that clients must trust, as PEM. The generation grows with every change. */
export interface Bundle {
  readonly certificates: string
  readonly generation: number
}

/**
 * The texts in `data` of a ConfigMap, and of a Secret, where they are base64. A member of another type counts as
 * absent.
 */
export function dataOf(object: KubeObject | undefined): Readonly<Partial<Record<string, string>>> {
  const data = object?.['data']
  if (typeof data !== 'object' || data === null) return {}
  const isText = (entry: readonly [string, unknown]): entry is [string, string] =>
    typeof entry[1] === 'string'
  return Object.fromEntries(Object.entries(data).filter(isText))
}

/** Reads ConfigMap `trow-ca`. Returns `undefined` if it does not exist or holds no bundle. */
export function bundleOf(map: KubeObject | undefined): Bundle | undefined {
  const data = dataOf(map)
  const certificates = data['ca.crt']
  const generation = Number(data['generation'])
  return certificates === undefined || !Number.isSafeInteger(generation)
    ? undefined
    : { certificates, generation }
}

/** `host` in the settings of the last install (ConfigMap `trow-install`); `undefined` if absent or unreadable. */
export function installedHost(map: KubeObject | undefined): string | undefined {
  const data = dataOf(map)
  return tryForeignJson(data['settings.json'], settingsSchema)?.host || undefined
}

/** Returns whether the last install used `--no-trust-nodes`; false also if its settings cannot be read. */
export function leavesNodesAlone(map: KubeObject | undefined): boolean {
  const data = dataOf(map)
  return tryForeignJson(data['settings.json'], settingsSchema)?.trustNodes === false
}

/**
 * Returns whether the last install brought the pods that judge pods; undefined for one of a release before, and if its settings cannot
 * be read.
 */
export function judgesPods(map: KubeObject | undefined): boolean | undefined {
  return tryForeignJson(dataOf(map)['settings.json'], settingsSchema)?.admission
}

/** The text of a Secret under one key. */
export function secretText(secret: KubeObject | undefined, key: string): string | undefined {
  const text = dataOf(secret)[key]
  return text === undefined ? undefined : Buffer.from(text, 'base64').toString('utf8')
}
