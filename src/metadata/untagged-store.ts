import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { FreedByRemoval, Page, UntaggedRecord } from './records.ts'

/** What people ask of manifests without a tag. Reads see what those of the store do. */
export interface UntaggedStore {
  /**
   * What garbage collection would take where a rule says so, by the time since when it is untagged, ascending; undefined when
   * the repository is unknown. Looks at no more than `limit` manifests, so it may give fewer, even none, and a `next`.
   */
  list(
    repository: RepositoryName,
    page: { readonly after?: string; readonly limit: number },
  ): Promise<Page<UntaggedRecord> | undefined>
  /** The same of one manifest; undefined where something needs it, or where it is not there. */
  find(repository: RepositoryName, digest: Digest): Promise<UntaggedRecord | undefined>
  /** Looks at no more than `limit` of what the manifest names. Undefined when it is not there. */
  freedByRemoval(
    repository: RepositoryName,
    digest: Digest,
    limit: number,
  ): Promise<FreedByRemoval | undefined>
}
