import { dataOf } from '../cluster/config-data.ts'
import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { labels, names } from '../cluster/layout.ts'
import { UserError } from '../user-error.ts'
import { installSettingsSchema, type InstallSettings } from './install-settings.ts'

/** The content of ConfigMap `trow-install`: the settings of the last install, and the trow that made it. */
export interface Remembered {
  /** `undefined` if they cannot be read and shall not be kept. */
  readonly settings: InstallSettings | undefined
  /** The version of the trow that last installed the registry; `undefined` if none has yet. */
  readonly version: string | undefined
  /** The number of database migrations that this trow knows. */
  readonly schema: number | undefined
  readonly clusterIps: readonly string[]
  readonly nodePort: number | undefined
  /** Whether it was settled if the first policy is made: it is never made again. */
  readonly baseline: boolean
}

type WithSettings = Remembered & { readonly settings: InstallSettings }

/** Returns `undefined` if nothing was installed there. Throws UserError INSTALL_UNREADABLE. */
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
 * For an install that starts from the defaults, and for an uninstall: unreadable settings are dropped, but
 * the installed version and addresses still count.
 */
export async function readForReset(
  cluster: ClusterObjects,
  namespace: string,
): Promise<Remembered | undefined> {
  const map = await cluster.get({ apiVersion: 'v1', kind: 'ConfigMap', name: names.settings, namespace })
  if (map === undefined) return undefined
  const data = dataOf(map)
  const schema = Number(data['schema'])
  const nodePort = Number(data['nodePort'])
  return {
    settings: installSettingsSchema.safeParse(parseJson(data['settings.json'])).data,
    version: data['version'],
    schema: Number.isSafeInteger(schema) ? schema : undefined,
    clusterIps: (data['clusterIps'] ?? '').split(',').filter((each) => each !== ''),
    nodePort: Number.isSafeInteger(nodePort) && nodePort > 0 ? nodePort : undefined,
    baseline: data['baseline'] === 'settled',
  }
}

export function rememberedMap(remembered: WithSettings): KubeObject {
  const { settings, version, schema, clusterIps, nodePort, baseline } = remembered
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
      ...(baseline ? { baseline: 'settled' } : {}),
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
