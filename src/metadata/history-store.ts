import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Tag } from '../oci/tag.ts'
import type { Instant } from '../instant.ts'

/**
 * The history of manifests and tags: since when a digest is known, and what tags pointed to. History is kept
 * after its manifest or tag is removed, within `historyBounds`. Nothing is cached. Reads see every change
 * that was answered before they began.
 */
export interface HistoryStore {
  /** Undefined: as far as is known, the repository has never held the manifest. */
  manifest(repository: RepositoryName, digest: Digest): Promise<SeenManifest | undefined>
  /**
   * What the tag points to and what it pointed to before, latest first, in the order of the pushes even if
   * the clock went back. At most `historyBounds.moves` + 1 entries. Empty: as far as is known, the tag never
   * existed.
   */
  tag(repository: RepositoryName, tag: Tag): Promise<readonly TagTarget[]>
}

export const historyBounds = {
  /** Previous targets kept for one tag. */
  moves: 100,
  /** Removed digests, and removals of tags, kept for one repository. */
  removals: 10_000,
  /** Milliseconds after which garbage collection deletes the history of removed manifests and tags. */
  age: 400 * 86_400_000,
} as const

export interface SeenSince {
  /** By the registry's clock. */
  readonly since: Instant
  /** True when it may be older: trow kept no history at that time. */
  readonly atLatest: boolean
  /** The user who pushed it, named as in audit records; undefined when not known. */
  readonly pusher: string | undefined
}

/** `since`: when the repository first held the manifest. A push after a removal does not change it. */
export interface SeenManifest extends SeenSince {
  /** Undefined: the repository still holds it. */
  readonly removedAt: Instant | undefined
}

/**
 * `since`: when the tag began to point to this digest. Pushing the same digest again does not change it.
 * Times never go back.
 */
export interface TagTarget extends SeenSince {
  /** Counts the targets of the tag, from 1. Grows with each move; a target keeps its number. */
  readonly sequence: number
  readonly digest: Digest
  /** Why the tag stopped pointing there, and when; undefined: it still points there. */
  readonly end: { readonly kind: 'moved' | 'removed'; readonly at: Instant } | undefined
}
