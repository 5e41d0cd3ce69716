import { copyFileSync, existsSync, renameSync } from 'node:fs'
import { basename, join } from 'node:path'
import { trowImage } from '../support/trow-image.ts'
import type { ClusterNode } from './node.ts'
import { subfolder } from './place.ts'

/**
 * Builds trow's own image and imports it into the nodes, also into those that are added later. Returns its reference, whose
 * tag changes with the sources. Pods use it with `imagePullPolicy: Never` or `IfNotPresent`.
 */
export async function importTrowImage(nodes: readonly ClusterNode[]): Promise<string> {
  const { name, archive } = await trowImage()
  const copy = join(subfolder('images'), basename(archive))
  if (!existsSync(copy)) {
    copyFileSync(archive, `${copy}.${process.pid}`)
    renameSync(`${copy}.${process.pid}`, copy)
  }
  for (const node of nodes) {
    const present = await node.ctr('images', 'ls', '-q', `name==${name}`)
    if (present.trim() !== name) await node.importImage(basename(copy))
  }
  return name
}
