import type { Digest } from '../oci/digest.ts'

export interface CoverageRequest {
  readonly digest: Digest
}

/** What a denied digest is in this registry, and who has it. */
export interface Coverage {
  readonly digest: Digest
  /** Each manifest that is it or holds it, at any depth, in each repository. */
  readonly holders: readonly CoverageHolder[]
  /** Manifests that are the same image pushed again, which denying the digest does not deny. */
  readonly again: readonly SameImage[]
  /** Who has pulled it, or one of `holders`, in the last 30 days; latest first. Undefined: the server keeps no audit. */
  readonly pulls?: readonly CoveragePull[] | undefined
  /** False: there is more than is listed. */
  readonly isComplete: boolean
}

export interface CoverageHolder {
  readonly repository: string
  /** Of the manifest. */
  readonly manifest: Digest
  readonly mediaType: string
  /** What `through` is to the manifest: itself, its config, a layer, a manifest of an index, another blob. */
  readonly as: 'self' | 'config' | 'layer' | 'manifest' | 'blob'
  /** What the manifest names: the digest that was asked for, or a manifest that holds it. */
  readonly through: Digest
  /** Tags that point to the manifest now, 100 at most. */
  readonly tags: readonly string[]
}

export interface SameImage {
  readonly repository: string
  readonly manifest: Digest
  /** What it shares with a manifest that is it or holds it. */
  readonly shares: 'config' | 'layers'
  /** That manifest. */
  readonly with: Digest
}

/** All pulls by one user of one manifest or blob in one repository. */
export interface CoveragePull {
  readonly user: string
  readonly repository: string
  readonly digest: Digest
  /** The tag or digest that was asked for last. */
  readonly reference?: string | undefined
  /** Address of the client that asked last. */
  readonly client?: string | undefined
  readonly count: number
  /** ISO 8601. */
  readonly last: string
}
