import type { ManifestRecord } from '../metadata/records.ts'
import type { Digest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference, Tag } from '../oci/tag.ts'
import type { Requester } from './requester.ts'

/**
 * Stands at every way to content and into the registry, whatever road a request came by. All of it throws, or rejects with,
 * OciError DENIED for what policies refuse, with the words for whoever asked; UNAVAILABLE while nothing can be judged. Answers at
 * once where it has judged the same before.
 */
export interface ContentGuard {
  /** Before a manifest is given out, or anything is said of it. `reference`: as it was asked for. */
  pullManifest(
    requester: Requester,
    repository: RepositoryName,
    reference: Reference,
    manifest: ManifestRecord,
  ): void | Promise<void>
  /** Before a blob is given out, or anything is said of it. */
  pullBlob(requester: Requester, repository: RepositoryName, digest: Digest): void | Promise<void>
  /** Before bytes are taken for a digest that nobody knows yet: refuses what is refused whatever they are. */
  openUpload(requester: Requester, repository: RepositoryName): void | Promise<void>
  pushBlob(push: BlobPush): PolicyStamp | Promise<PolicyStamp>
  pushManifest(push: ManifestPush): PolicyStamp | Promise<PolicyStamp>
  /** Both doors of a mount: rejects where `to` may not have the blob, and leaves out sources that may not give it. */
  mountBlob(mount: BlobMount): Promise<PolicyStamp & { readonly from: readonly RepositoryName[] }>
  /** Resolves when newer policies are known here. Rejects with OciError UNAVAILABLE where they do not come. */
  newerThan(stamp: PolicyStamp): Promise<void>
}

/** By which policies something was let pass: the change says it, and is refused where they are no longer in force. */
export interface PolicyStamp {
  readonly generation: number
  /** Whether the requester was told something that belongs into the change's note. */
  readonly isNoted: boolean
}

export interface BlobPush {
  readonly requester: Requester
  readonly repository: RepositoryName
  readonly digest: Digest
  /** Of the same bytes, where `digest` is another one and they have come. */
  readonly sha256?: Digest | undefined
}

export interface ManifestPush {
  readonly requester: Requester
  readonly repository: RepositoryName
  readonly digest: Digest
  /** Whether it was asked for by the digest. */
  readonly byDigest: boolean
  /** Each is judged. */
  readonly tags: readonly Tag[]
  readonly manifest: Manifest
  readonly body: Uint8Array
}

export interface BlobMount {
  readonly requester: Requester
  readonly to: RepositoryName
  readonly digest: Digest
  readonly from: readonly RepositoryName[]
}
