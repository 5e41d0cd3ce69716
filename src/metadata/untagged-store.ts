import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { FreedByRemoval, Page, UntaggedRecord } from './records.ts'

/** Reads of manifests without a tag. They see every change that was answered before they began. */
export interface UntaggedStore {
  /**
   * Manifests that a retention rule could let garbage collection remove, by the time since which they are
   * untagged, ascending. Undefined when the repository is unknown. Looks at no more than `limit` manifests,
   * so it may return fewer, even none, and a `next`.
   */
  list(
    repository: RepositoryName,
    page: { readonly after?: string; readonly limit: number },
  ): Promise<Page<UntaggedRecord> | undefined>
  /** The same for one manifest; undefined when other content needs it or when it does not exist. */
  find(repository: RepositoryName, digest: Digest): Promise<UntaggedRecord | undefined>
  /** Looks at no more than `limit` references of the manifest. Undefined when the manifest does not exist. */
  freedByRemoval(
    repository: RepositoryName,
    digest: Digest,
    limit: number,
  ): Promise<FreedByRemoval | undefined>
}
