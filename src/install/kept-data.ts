import { ClusterFault } from '../cluster/cluster-fault.ts'
import type { ClusterObjects, KubeReference } from '../cluster/cluster-objects.ts'
import { names } from '../cluster/layout.ts'
import { readForReset } from './remembered.ts'

/** Which trow wrote the data last. */
export interface DataVersion {
  readonly version: string
  /** How many migrations the database has seen. */
  readonly schema: number
}

const annotation = { version: 'trow.io/version', schema: 'trow.io/schema' } as const

/** On claims that an uninstall leaves: what it would else take away with the ConfigMap that says so. */
export async function noteDataVersion(
  objects: ClusterObjects,
  namespace: string,
  claims: readonly KubeReference[],
): Promise<void> {
  const { version, schema } = (await readForReset(objects, namespace)) ?? {}
  if (version === undefined || schema === undefined) return
  const annotations = { [annotation.version]: version, [annotation.schema]: String(schema) }
  for (const claim of claims)
    await objects.patch(claim, { metadata: { annotations } }).catch((error: unknown) => {
      // Who may not write it may still uninstall; the registry itself refuses what is too new for it.
      if (!(error instanceof ClusterFault) || error.kind !== 'forbidden') throw error
    })
}

/** Of the registry's claim; undefined where there is none, or nothing is noted on it. */
export async function notedDataVersion(
  objects: ClusterObjects,
  namespace: string,
): Promise<DataVersion | undefined> {
  const claim = await objects.get({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    name: names.claim,
    namespace,
  })
  const annotations = claim?.metadata.annotations ?? {}
  const version = annotations[annotation.version]
  const schema = Number(annotations[annotation.schema])
  return version === undefined || !Number.isSafeInteger(schema) ? undefined : { version, schema }
}
