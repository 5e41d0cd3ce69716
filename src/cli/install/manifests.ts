import { yamlText } from '../result/print-result.ts'
import { write, type Terminal } from '../streams.ts'

export type ManifestFormat = 'yaml' | 'json' | 'short'

/** Prints objects as kubectl, Argo CD and Flux read them: YAML documents, or a List. */
export async function printManifests(
  objects: readonly object[],
  format: ManifestFormat,
  { exact: { stdout } }: Terminal,
): Promise<void> {
  if (format === 'json') {
    const list = { apiVersion: 'v1', kind: 'List', items: objects }
    return write(stdout, `${JSON.stringify(list, undefined, 2)}\n`)
  }
  const documents = await Promise.all(objects.map((object) => yamlText(object)))
  return write(stdout, documents.join('---\n'))
}
