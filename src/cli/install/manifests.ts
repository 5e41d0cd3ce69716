import { stringify } from 'yaml'
import type { KubeObject } from '../../cluster/cluster-objects.ts'
import type { Terminal } from '../streams.ts'

export type ManifestFormat = 'yaml' | 'json' | 'short'

/** Objects as kubectl, Argo CD and Flux read them: YAML documents, or a List. */
export function printManifests(
  objects: readonly KubeObject[],
  format: ManifestFormat,
  { exact }: Terminal,
): void {
  exact.stdout.write(
    format === 'json'
      ? `${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }, null, 2)}\n`
      : objects.map((object) => stringify(object, { aliasDuplicateObjects: false })).join('---\n'),
  )
}
