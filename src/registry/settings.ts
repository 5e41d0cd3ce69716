import type { Log } from '../log.ts'
import type { BlobStore } from '../blobs/blob-store.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import type { ContentGuard } from './content-guard.ts'
import type { UntaggedRule } from './untagged-policy.ts'

/** What the rules are given: stores by their interfaces, and time and chance from outside. */
export interface RegistryParts {
  readonly metadata: MetadataStore
  readonly blobs: BlobStore
  /** Undefined: no policy judges anything. */
  readonly guard: ContentGuard | undefined
  readonly log: Log
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Unguessable, letters, digits and dashes: a UUID. */
  readonly newId: () => string
  readonly limits: RegistryLimits
  /** What garbage collection goes by: only told here. */
  readonly untagged: readonly UntaggedRule[]
}

export interface RegistryLimits {
  /** Blobs up to this many bytes are kept with the metadata. */
  readonly inlineLimit: number
  /** Largest manifest, in bytes. */
  readonly manifestLimit: number
  /** Images may name a config or layers that are not there. */
  readonly allowMissing: boolean
  /** Indexes may name children that are not there, as those of platforms that nobody needs. */
  readonly allowSparseIndex: boolean
  /** How long unreferenced content is safe, in milliseconds. */
  readonly grace: number
}
