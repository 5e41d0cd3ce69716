import { z } from 'zod'
import type { ClusterObjects } from '../cluster/cluster-objects.ts'
import { names } from '../cluster/layout.ts'
import type { Storage } from './install-settings.ts'
import { volumeName } from './registry-objects.ts'

const setSchema = z.object({
  spec: z.object({
    volumeClaimTemplates: z
      .array(
        z.object({
          spec: z.object({
            storageClassName: z.string().optional(),
            resources: z.object({ requests: z.object({ storage: z.string() }) }),
          }),
        }),
      )
      .default([]),
  }),
})

const volumeSchema = z.object({
  spec: z.object({
    local: z.object({ path: z.string() }),
    nodeAffinity: z.object({
      required: z.object({
        nodeSelectorTerms: z.array(
          z.object({ matchExpressions: z.array(z.object({ values: z.array(z.string()) })).default([]) }),
        ),
      }),
    }),
  }),
})

/**
 * Returns the storage of the existing registry, read from its objects; `undefined` if there is no registry.
 */
export async function runningStorage(
  cluster: ClusterObjects,
  namespace: string,
): Promise<Storage | undefined> {
  const [set, volume] = await Promise.all([
    cluster.get({ apiVersion: 'apps/v1', kind: 'StatefulSet', name: names.statefulSet, namespace }),
    cluster.get({ apiVersion: 'v1', kind: 'PersistentVolume', name: volumeName(namespace) }),
  ])
  const found = setSchema.safeParse(set).data
  if (found === undefined) return undefined
  const [claim] = found.spec.volumeClaimTemplates
  if (claim === undefined) return { kind: 'ephemeral' }
  const { storageClassName: className, resources } = claim.spec
  const size = resources.requests.storage
  const local = volumeSchema.safeParse(volume).data?.spec
  if (className !== 'trow-local' || local === undefined)
    return { kind: 'claim', size, ...(className === undefined ? {} : { className }) }
  const [node] = local.nodeAffinity.required.nodeSelectorTerms.flatMap(({ matchExpressions }) =>
    matchExpressions.flatMap(({ values }) => values),
  )
  return { kind: 'local', size, path: local.local.path, ...(node === undefined ? {} : { node }) }
}

/** Formats the options of `trow install` for this storage. */
export function storageOptions(storage: Storage): string {
  switch (storage.kind) {
    case 'ephemeral':
      return '--storage ephemeral'
    case 'local': {
      const node = storage.node === undefined ? '' : `${storage.node}:`
      return `--storage local:${node}${storage.path} --storage-size ${storage.size}`
    }
    case 'claim': {
      const className = storage.className === undefined ? '' : ` --storage-class ${storage.className}`
      return `--storage claim --storage-size ${storage.size}${className}`
    }
  }
}
