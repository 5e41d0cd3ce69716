import type { KubeObject } from './cluster-objects.ts'

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
  try {
    const { host } = JSON.parse(data['settings.json'] ?? '{}') as { host?: unknown }
    return typeof host === 'string' && host !== '' ? host : undefined
  } catch {
    return undefined
  }
}

/** The last install was one with `--no-trust-nodes`; false also where that cannot be read. */
export function leavesNodesAlone(map: KubeObject | undefined): boolean {
  const data = (map?.['data'] ?? {}) as Readonly<Record<string, string>>
  try {
    return (JSON.parse(data['settings.json'] ?? '{}') as { trustNodes?: unknown }).trustNodes === false
  } catch {
    return false
  }
}

/** What a Secret holds under a key. */
export function secretText(secret: KubeObject | undefined, key: string): string | undefined {
  const text = ((secret?.['data'] ?? {}) as Readonly<Record<string, string>>)[key]
  return text === undefined ? undefined : Buffer.from(text, 'base64').toString('utf8')
}
