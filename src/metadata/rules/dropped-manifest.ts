import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Instant } from '../../instant.ts'
import type { Statement } from './bind.ts'
import { inParts, rowsAtOnce, together, type Transaction } from './change.ts'
import { keepFirstSeen, lastRemovalOf } from './change-history.ts'
import { dropTags, tagsOf } from './manifest-tags.ts'
import {
  firstChildrenOf,
  noteUnreferencedAmong,
  referrersOfAfter,
  removeBody,
  removeManifest,
  removeReferences,
  removeReferencesOf,
  renewOrphansAmong,
  renewUntaggedAmong,
  type manifestByDigest,
} from './statements/manifests.ts'

type StoredManifest = typeof manifestByDigest extends Statement<infer Row> ? Row : never
type ManifestToDrop = Pick<StoredManifest, 'id' | 'repository_id' | 'digest' | 'untagged_since'>

/** The first page of each that goes with a manifest. A usual manifest has no more. */
interface Around {
  readonly tags: readonly string[]
  /** The number of the repository's last removal of a tag; undefined: no tag is to be removed. */
  readonly lastRemoval: number | undefined
  readonly children: readonly Child[]
  readonly referrers: readonly { readonly digest: string }[]
}
type Child = typeof firstChildrenOf extends Statement<infer Row> ? Row : never

/** Reads in one flight what `dropManifest` needs to know. */
export async function lookAround(transaction: Transaction, manifest: ManifestToDrop): Promise<Around> {
  const { id, repository_id: repository, digest, untagged_since: untaggedSince } = manifest
  const [tags, lastRemoval, children, referrers] = await together([
    tagsOf(transaction, { repository, manifest: id }),
    untaggedSince === null ? lastRemovalOf(transaction, repository) : undefined,
    transaction.all(firstChildrenOf, { manifest: id, limit: rowsAtOnce }),
    transaction.all(referrersOfAfter, { repository, subject: digest, after: '', limit: rowsAtOnce }),
  ])
  return { tags, lastRemoval, children, referrers }
}

/**
 * Removes the manifest, its tags and its references. Content that only it referred to begins its grace period.
 * Resolves to the number of rows that this was about.
 */
export async function dropManifest(
  transaction: Transaction,
  { name, now }: { readonly name: RepositoryName; readonly now: Instant },
  { manifest, around }: { readonly manifest: ManifestToDrop; readonly around: Around },
): Promise<number> {
  const { id, repository_id: repository } = manifest
  const digest = manifest.digest as Digest
  const at = { repository, name, now, manifest: id }
  transaction.touched.manifest(name, digest)
  await dropTags(transaction, at, around)
  const children = await dropReferences(transaction, at, around.children)
  const referrers = await renewReferrers(transaction, { repository, subject: digest, now }, around.referrers)
  keepFirstSeen(transaction, at)
  transaction.send(removeBody, { manifest: id })
  transaction.send(removeManifest, { manifest: id })
  return around.tags.length + children + referrers
}

/** About so many rows are changed before a transaction takes no further manifest: the repository waits for it. */
const mostRows = 10 * rowsAtOnce
/** Manifests that are looked around at once. */
const atOnce = 50

/** Drops the first of them, at least one: as many as one transaction takes. Returns those. */
export async function dropManifests<Manifest extends ManifestToDrop>(
  transaction: Transaction,
  at: { readonly repository: RepositoryName; readonly now: Instant },
  manifests: readonly Manifest[],
): Promise<readonly Manifest[]> {
  const dropped: Manifest[] = []
  let rows = 0
  for (const part of inParts(manifests, { most: atOnce })) {
    const arounds = await together(part.map((manifest) => lookAround(transaction, manifest)))
    for (const [index, around] of arounds.entries()) {
      const manifest = part[index] as Manifest
      if (rows >= mostRows) return dropped
      rows += await dropManifest(transaction, { name: at.repository, now: at.now }, { manifest, around })
      dropped.push(manifest)
      await transaction.turn()
    }
  }
  return dropped
}

async function dropReferences(
  transaction: Transaction,
  at: {
    readonly repository: number
    readonly name: RepositoryName
    readonly manifest: number
    readonly now: Instant
  },
  first: readonly Child[],
): Promise<number> {
  const { repository, name, manifest, now } = at
  const { most } = transaction.rows
  let count = 0
  for (let children = first, limit = rowsAtOnce; children.length > 0; limit = most) {
    count += children.length
    const isLast = children.length < limit
    const list = JSON.stringify(children.map(({ child }) => child))
    if (isLast) transaction.send(removeReferencesOf, { manifest })
    else transaction.send(removeReferences, { repository, manifest, list })
    transaction.send(noteUnreferencedAmong, { repository, list, now })
    transaction.send(renewOrphansAmong, { repository, list, now })
    for (const { child, linked } of children) if (linked) transaction.touched.link(name, child as Digest)
    if (isLast) break
    await transaction.turn(4 * children.length)
    children = await transaction.all(firstChildrenOf, { manifest, limit: most })
  }
  return count
}

/** Referrers of the removed manifest that have no tag restart their time without a tag. */
async function renewReferrers(
  transaction: Transaction,
  of: { readonly repository: number; readonly subject: Digest; readonly now: Instant },
  first: Around['referrers'],
): Promise<number> {
  const { repository, subject, now } = of
  const { most } = transaction.rows
  let count = 0
  for (let rows = first, limit = rowsAtOnce; rows.length > 0; limit = most) {
    count += rows.length
    const list = JSON.stringify(rows.map(({ digest }) => digest))
    transaction.send(renewUntaggedAmong, { repository, list, now })
    if (rows.length < limit) break
    await transaction.turn(2 * rows.length)
    const after = rows.at(-1)?.digest ?? ''
    rows = await transaction.all(referrersOfAfter, { repository, subject, after, limit: most })
  }
  return count
}
