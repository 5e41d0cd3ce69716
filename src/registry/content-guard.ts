import type { ManifestRecord } from '../metadata/records.ts'
import type { Digest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference, Tag } from '../oci/tag.ts'
import type { Requester } from './requester.ts'

/**
 * Judges every access to content and every change of it by policies, whichever interface a request came
 * through. Every method throws, or rejects with, OciError DENIED for what policies refuse, worded for the
 * requester; UNAVAILABLE while nothing can be judged. A method answers synchronously if it has judged the
 * same before.
 */
export interface ContentGuard {
  /** Before a manifest, or any fact about it, is returned. `reference`: as requested. */
  pullManifest(
    requester: Requester,
    repository: RepositoryName,
    reference: Reference,
    manifest: ManifestRecord,
  ): void | Promise<void>
  /** Before a blob, or any fact about it, is returned. */
  pullBlob(requester: Requester, repository: RepositoryName, digest: Digest): void | Promise<void>
  /**
   * Before bytes are received whose digest is not known yet: refuses pushes that are refused whatever their
   * content is.
   */
  openUpload(requester: Requester, repository: RepositoryName): void | Promise<void>
  pushBlob(push: BlobPush): PolicyStamp | Promise<PolicyStamp>
  pushManifest(push: ManifestPush): PolicyStamp | Promise<PolicyStamp>
  /**
   * Judges both sides of a mount: rejects if `to` may not hold the blob, and leaves out sources that it may
   * not be pulled from.
   */
  mountBlob(mount: RequestedMount): Promise<PolicyStamp & { readonly from: readonly RepositoryName[] }>
  /**
   * Resolves when this process has newer policies. Rejects with OciError UNAVAILABLE if they do not arrive.
   */
  newerThan(stamp: PolicyStamp): Promise<void>
}

/**
 * The policies by which a change was allowed. The change carries their `registryGeneration` and fails if it is no
 * longer in force.
 */
export interface PolicyStamp {
  /** In this process, which may count in its own way. */
  readonly generation: number
  readonly registryGeneration: number
  /** Whether the requester received findings that belong in the audit record of the change. */
  readonly isRecorded: boolean
}

export interface BlobPush {
  readonly requester: Requester
  readonly repository: RepositoryName
  readonly digest: Digest
  /** The sha256 of the same bytes if `digest` has another algorithm; undefined before they have arrived. */
  readonly sha256?: Digest | undefined
}

export interface ManifestPush {
  readonly requester: Requester
  readonly repository: RepositoryName
  readonly digest: Digest
  /** Whether the push is by digest. */
  readonly byDigest: boolean
  /** Every tag is judged. */
  readonly tags: readonly Tag[]
  readonly manifest: Manifest
  readonly body: Uint8Array
}

export interface RequestedMount {
  readonly requester: Requester
  readonly to: RepositoryName
  readonly digest: Digest
  readonly from: readonly RepositoryName[]
}
