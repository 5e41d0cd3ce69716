import type { ManifestRecord } from '../metadata/records.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference } from '../oci/tag.ts'
import type { Requester } from './requester.ts'
import type { RegistryParts } from './settings.ts'

/**
 * The requested manifest, if it exists. Rejects if policies refuse it, as `ContentGuard.pullManifest` does.
 */
export function judgedManifest(
  { metadata, guard }: Pick<RegistryParts, 'metadata' | 'guard'>,
  requester: Requester,
  repository: RepositoryName,
  reference: Reference,
): Promise<ManifestRecord | undefined> {
  const found = metadata.findManifest(repository, reference)
  if (guard === undefined) return found
  return found.then((manifest) => {
    if (manifest === undefined) return undefined
    const judged = guard.pullManifest(requester, repository, reference, manifest)
    return judged === undefined ? manifest : judged.then(() => manifest)
  })
}
