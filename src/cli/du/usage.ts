import { isDigest, type Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Reference } from '../../oci/tag.ts'
import { UserError } from '../../user-error.ts'
import { printReference } from '../way/named-target.ts'
import type { ContentGraph } from './content-graph.ts'
import type { RepositoryContent } from './read-repository.ts'

/** Bytes of something, and of what its deletion frees once nothing else needs it. */
export interface Usage {
  /** Content that is shared counts once. */
  readonly bytes: number
  readonly frees: number
}

export interface RepositoryUsage extends Usage {
  readonly repository: string
  readonly tags: number
  readonly manifests: number
}

export interface ImageUsage extends Usage {
  /** `undefined`: no tag, no index and no subject needs it. */
  readonly tag: string | undefined
  readonly digest: Digest
}

export interface ReferenceUsage extends Usage {
  readonly digest: Digest
  /** Why its deletion frees nothing: an index lists it, or another tag means it. */
  readonly neededBy: string | undefined
}

export function rootsOf({ tags, untagged }: RepositoryContent): readonly Digest[] {
  return [...tags.map(({ digest }) => digest), ...untagged]
}

/** Returns a row for each tag and each untagged manifest. `shared` is what other repositories have. */
export function imageUsages(
  graph: ContentGraph,
  content: RepositoryContent,
  shared: ReadonlySet<Digest>,
): readonly ImageUsage[] {
  const own = graph.ownOf(rootsOf(content))
  const row = (tag: string | undefined, digest: Digest): ImageUsage => ({
    tag,
    digest,
    bytes: graph.bytes(graph.reached([digest])),
    frees: isAlone(content, digest) ? graph.bytes(minus(own.get(digest) ?? [], shared)) : 0,
  })
  return [
    ...content.tags.map(({ tag, digest }) => row(tag, digest)),
    ...content.untagged.map((digest) => row(undefined, digest)),
  ]
}

/** A tag whose image has another tag frees nothing. */
function isAlone({ tags }: RepositoryContent, digest: Digest): boolean {
  return tags.filter((each) => each.digest === digest).length < 2
}

/**
 * Returns what one tag, or one manifest with all its tags, costs and frees. Throws UserError NOT_FOUND.
 */
export function referenceUsage(
  graph: ContentGraph,
  content: RepositoryContent,
  {
    repository,
    reference,
    shared,
  }: {
    readonly repository: RepositoryName
    readonly reference: Reference
    readonly shared: ReadonlySet<Digest>
  },
): ReferenceUsage {
  const { tags, indexesOf, manifests } = content
  const digest = isDigest(reference) ? reference : tags.find(({ tag }) => tag === reference)?.digest
  if (digest === undefined || !manifests.has(digest)) {
    throw new UserError('NOT_FOUND', `${printReference(repository, reference)} is not in the registry`, {
      hint: `trow list ${repository} shows what is.`,
    })
  }
  const bytes = graph.bytes(graph.reached([digest]))
  const index = indexesOf.get(digest)
  const others = isDigest(reference)
    ? []
    : tags.filter((each) => each.digest === digest && each.tag !== reference)
  const neededBy = index ?? others[0]?.tag
  if (neededBy !== undefined) return { digest, bytes, frees: 0, neededBy }
  const roots = rootsOf(content)
  const rest = graph.reached(
    roots.filter((root) => root !== digest),
    digest,
  )
  const gone = minus(minus(graph.reached(roots), rest), shared)
  return { digest, bytes, frees: graph.bytes(gone), neededBy: undefined }
}

function minus(from: Iterable<Digest>, taken: ReadonlySet<Digest>): Set<Digest> {
  return new Set([...from].filter((digest) => !taken.has(digest)))
}
