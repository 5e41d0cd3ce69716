import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Tag } from '../oci/tag.ts'
import type { Instant } from '../instant.ts'

/**
 * What was: since when a digest is known, and what tags pointed to. It outlives what it is about, within `historyBounds`.
 * Nothing is cached; like every read it sees all that was answered before.
 */
export interface HistoryStore {
  /** Undefined: the repository has never held the manifest, as far as is known. */
  manifest(repository: RepositoryName, digest: Digest): Promise<SeenManifest | undefined>
  /**
   * What the tag points to and what it pointed to before, latest first: in the order of the pushes, whatever the clock did.
   * At most `historyBounds.moves` and one. None: the tag was never there, as far as is known.
   */
  tag(repository: RepositoryName, tag: Tag): Promise<readonly TagTarget[]>
}

export const historyBounds = {
  /** Of one tag: what it pointed to before. */
  moves: 100,
  /** Of one repository: digests that were removed, and removals of tags. */
  removals: 10_000,
  /** After so many milliseconds garbage collection forgets what was removed. */
  age: 400 * 86_400_000,
} as const

export interface Seen {
  /** Times are the registry's. */
  readonly since: Instant
  /** It may have been so before: trow kept no history then. */
  readonly atLatest: boolean
  /** Whose push it was, as the audit names them; undefined: not known. */
  readonly pusher: string | undefined
}

/** `since`: when the repository held it first; a push after a removal changes nothing about that. */
export interface SeenManifest extends Seen {
  /** Undefined: it is there. */
  readonly removedAt: Instant | undefined
}

/** `since`: when the tag came to point there; the same pushed again changes nothing about that. Times do not go back. */
export interface TagTarget extends Seen {
  readonly digest: Digest
  /** What ended it; undefined: it points there now. */
  readonly end: { readonly kind: 'moved' | 'removed'; readonly at: Instant } | undefined
}
