import type { MetadataReads } from '../../metadata/metadata-store.ts'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'

export interface ManifestTags {
  /** 100 at most. */
  of(manifest: { readonly repository: RepositoryName; readonly manifest: Digest }): readonly string[]
  /** False: not all tags were looked at. */
  readonly isComplete: boolean
}

/** Tags that are looked at in all repositories; some 10 microseconds each. */
const mostTags = 20_000
const pageSize = 500
const mostOfManifest = 100

/** Which tags point to which manifest in the repositories now. */
export async function tagsByManifest(
  metadata: Pick<MetadataReads, 'listTags' | 'findManifest'>,
  repositories: readonly RepositoryName[],
): Promise<ManifestTags> {
  const found = new Map<string, string[]>()
  let left = mostTags
  for (const repository of repositories) {
    let after: string | undefined
    do {
      const page = await metadata.listTags(repository, {
        limit: Math.min(pageSize, left),
        ...(after !== undefined && { after }),
      })
      for (const tag of page?.items ?? []) {
        const manifest = await metadata.findManifest(repository, tag)
        if (manifest === undefined) continue
        const key = `${repository}@${manifest.digest}`
        const known = found.get(key)
        if (known === undefined) found.set(key, [tag])
        else if (known.length < mostOfManifest) known.push(tag)
      }
      left -= page?.items.length ?? 0
      after = page?.next
    } while (after !== undefined && left > 0)
    if (left <= 0) break
  }
  return {
    of: ({ repository, manifest }) => found.get(`${repository}@${manifest}`) ?? [],
    isComplete: left > 0,
  }
}
