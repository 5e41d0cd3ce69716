import { ClusterFault } from '../cluster/cluster-fault.ts'
import type { ClusterObjects, KubeReference } from '../cluster/cluster-objects.ts'
import { names } from '../cluster/layout.ts'
import { readForReset } from './remembered.ts'

/** The trow that wrote the data last. */
export interface DataVersion {
  readonly version: string
  /** The number of migrations that the database has had. */
  readonly schema: number
}

const annotation = { version: 'trow.io/version', schema: 'trow.io/schema' } as const

/**
 * Records the data's version on the claims that an uninstall keeps: the ConfigMap with the same facts is
 * removed.
 */
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
      // A user without the right to write it may still uninstall; the registry itself refuses data that is
      // too new for it.
      if (!(error instanceof ClusterFault) || error.kind !== 'forbidden') throw error
    })
}

/**
 * Reads the version from the registry's claim; `undefined` if there is no claim or nothing is recorded on it.
 */
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
