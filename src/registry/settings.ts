import type { Log } from '../log.ts'
import type { BlobStore } from '../blobs/blob-store.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import type { ContentGuard } from './content-guard.ts'
import type { UntaggedRule } from './untagged-policy.ts'

/** What the rules depend on: stores by their interfaces; time and randomness from outside. */
export interface RegistryParts {
  readonly metadata: MetadataStore
  readonly blobs: BlobStore
  /** Undefined: there are no policies. */
  readonly guard: ContentGuard | undefined
  readonly log: Log
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Unguessable, letters, digits and dashes: a UUID. */
  readonly newId: () => string
  readonly limits: RegistryLimits
  /** Rules of the garbage collection that are in force; the registry only reports them. */
  readonly untagged: () => readonly UntaggedRule[]
}

/** Read at each use: those that are in force. */
export interface RegistryLimits {
  /** Blobs up to this many bytes are kept with the metadata. */
  readonly inlineLimit: number
  /** Largest manifest, in bytes. */
  readonly manifestLimit: number
  /** Images may name a config or layers that do not exist. */
  readonly allowMissing: boolean
  /** Indexes may name children that do not exist, such as those of platforms that nobody uses. */
  readonly allowSparseIndex: boolean
  /** Milliseconds that unreferenced content is kept. */
  readonly grace: number
}
