import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { labels, names } from '../cluster/layout.ts'
import { UserError } from '../user-error.ts'
import { installSettingsSchema, type InstallSettings } from './install-settings.ts'

/** ConfigMap `trow-install`: what the last install was asked for, and by which trow. */
export interface Remembered {
  /** Undefined: they cannot be read, and are not to be kept. */
  readonly settings: InstallSettings | undefined
  /** Of the trow whose registry was last put there. Undefined: none was yet. */
  readonly version: string | undefined
  /** Migrations of the database that that trow knows. */
  readonly schema: number | undefined
  readonly clusterIps: readonly string[]
  readonly nodePort: number | undefined
}

type WithSettings = Remembered & { readonly settings: InstallSettings }

/** Undefined: nothing was installed there. Throws UserError INSTALL_UNREADABLE. */
export async function readRemembered(
  cluster: ClusterObjects,
  namespace: string,
): Promise<WithSettings | undefined> {
  const remembered = await readForReset(cluster, namespace)
  if (remembered === undefined) return undefined
  const { settings } = remembered
  if (settings === undefined) {
    throw new UserError('INSTALL_UNREADABLE', `ConfigMap ${names.settings} in ${namespace} cannot be read`, {
      hint: 'A newer trow may have written it: use that one. --reset starts from the defaults.',
    })
  }
  return { ...remembered, settings }
}

/**
 * For an install that starts from the defaults, and for an uninstall: what is there still bounds them, settings that nobody can
 * read do not.
 */
export async function readForReset(
  cluster: ClusterObjects,
  namespace: string,
): Promise<Remembered | undefined> {
  const map = await cluster.get({ apiVersion: 'v1', kind: 'ConfigMap', name: names.settings, namespace })
  if (map === undefined) return undefined
  const data = (map['data'] ?? {}) as Readonly<Record<string, string>>
  const schema = Number(data['schema'])
  const nodePort = Number(data['nodePort'])
  return {
    settings: installSettingsSchema.safeParse(parseJson(data['settings.json'])).data,
    version: data['version'],
    schema: Number.isSafeInteger(schema) ? schema : undefined,
    clusterIps: (data['clusterIps'] ?? '').split(',').filter((each) => each !== ''),
    nodePort: Number.isSafeInteger(nodePort) && nodePort > 0 ? nodePort : undefined,
  }
}

export function rememberedMap(remembered: WithSettings): KubeObject {
  const { settings, version, schema, clusterIps, nodePort } = remembered
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: names.settings, namespace: settings.namespace, labels: labels.of('registry') },
    data: {
      'settings.json': JSON.stringify(settings),
      ...(version === undefined ? {} : { version }),
      ...(schema === undefined ? {} : { schema: String(schema) }),
      ...(clusterIps.length === 0 ? {} : { clusterIps: clusterIps.join(',') }),
      ...(nodePort === undefined ? {} : { nodePort: String(nodePort) }),
    },
  }
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}
