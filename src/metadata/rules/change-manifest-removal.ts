import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Instant } from '../../instant.ts'
import type { ContentChange, RemovalResult, TagRemoval } from '../records.ts'
import { durable, rowsAtOnce, type Transaction } from './change.ts'
import { keepFirstSeen, keepRemovedTags } from './change-history.ts'
import { auditChange } from './change-outbox.ts'
import { findRepository } from './change-repositories.ts'
import { changesRepository, type LockKey } from './locks.ts'
import { factsBefore, factsOfId } from './manifest-facts.ts'
import { dropTags, noteUntagged } from './manifest-tags.ts'
import { anyParent } from './statements/blobs.ts'
import {
  firstChildrenOf,
  linkedAmong,
  manifestByDigest,
  orphansAmong,
  referrersOfAfter,
  removeBody,
  removeManifest,
  removeReferences,
  removeTag,
  renewUntaggedAmong,
  setReferencedAmong,
  tagByName,
} from './statements/manifests.ts'

const locks = ({ repository }: { readonly repository: RepositoryName }): readonly LockKey[] => [
  changesRepository(repository),
]

export const deleteTag = durable(
  { locks },
  async (transaction: Transaction, removal: TagRemoval): Promise<boolean> => {
    const { repository: name, tag, now, auditRecord } = removal
    const repository = await findRepository(transaction, name)
    if (repository === undefined) return false
    const current = await transaction.get(tagByName, { repository, tag })
    if (current === undefined) return false
    await keepRemovedTags(transaction, { repository, tags: [tag], now })
    await transaction.run(removeTag, { repository, tag })
    await noteUntagged(transaction, current.manifest_id, now)
    transaction.touched.tag(name, tag)
    await auditChange(transaction, { auditRecord, now }, async () => {
      const facts = await factsOfId(transaction, current.manifest_id)
      return { ...facts, tags: [{ name: tag, before: facts['digest'] }] }
    })
    return true
  },
)

export const deleteManifest = durable(
  { locks },
  async (transaction: Transaction, removal: ContentChange): Promise<RemovalResult> => {
    const { repository: name, digest, now, auditRecord } = removal
    const repository = await findRepository(transaction, name)
    if (repository === undefined) return { kind: 'unknown' }
    if ((await transaction.get(manifestByDigest, { repository, digest })) === undefined)
      return { kind: 'unknown' }
    const parent = await transaction.get(anyParent, { repository, digest })
    if (parent !== undefined) return { kind: 'in-use', manifest: parent.digest as Digest }
    const facts = auditRecord === undefined ? {} : await factsBefore(transaction, repository, digest)
    await dropManifest(transaction, { repository, name, digest, now })
    await auditChange(transaction, { auditRecord, now }, () => facts)
    return { kind: 'removed' }
  },
)

/**
 * For a manifest whose bytes do not match its digest: removes it even if other manifests refer to it. False
 * when there was none.
 */
export const discardManifest = durable(
  { locks },
  async (
    transaction: Transaction,
    values: { readonly repository: RepositoryName; readonly digest: Digest; readonly now: Instant },
  ): Promise<boolean> => {
    const { repository: name, digest, now } = values
    const repository = await findRepository(transaction, name)
    return repository !== undefined && dropManifest(transaction, { repository, name, digest, now })
  },
)

/**
 * Removes the manifest, its tags and its references. Content that only it referred to begins its grace
 * period.
 */
export async function dropManifest(
  transaction: Transaction,
  at: {
    readonly repository: number
    readonly name: RepositoryName
    readonly digest: Digest
    readonly now: Instant
  },
): Promise<boolean> {
  const { repository, name, digest, now } = at
  const manifest = (await transaction.get(manifestByDigest, { repository, digest }))?.id
  if (manifest === undefined) return false
  transaction.touched.manifest(name, digest)
  await dropTags(transaction, { repository, name, manifest, now })
  await dropReferences(transaction, { repository, name, manifest, now })
  await renewReferrers(transaction, { repository, subject: digest, now })
  await keepFirstSeen(transaction, { repository, manifest, now })
  await transaction.run(removeBody, { manifest })
  await transaction.run(removeManifest, { manifest })
  return true
}

interface At {
  readonly repository: number
  readonly name: RepositoryName
  readonly now: Instant
}

async function dropReferences(
  transaction: Transaction,
  { manifest, ...at }: At & { readonly manifest: number },
): Promise<void> {
  const { repository } = at
  for (;;) {
    const children = await transaction.all(firstChildrenOf, { manifest, limit: rowsAtOnce })
    if (children.length === 0) return
    const list = JSON.stringify(children.map(({ child }) => child))
    await transaction.run(removeReferences, { repository, manifest, list })
    const orphans = await transaction.all(orphansAmong, { repository, list })
    if (orphans.length > 0)
      await noteUnreferenced(transaction, { ...at, orphans: orphans.map(({ value }) => value) })
    await transaction.turn(4 * children.length)
  }
}

async function noteUnreferenced(
  transaction: Transaction,
  { repository, name, now, orphans }: At & { readonly orphans: readonly string[] },
): Promise<void> {
  const list = JSON.stringify(orphans)
  const blobs = await transaction.all(linkedAmong, { repository, list })
  if (blobs.length > 0) {
    const ids = JSON.stringify(blobs.map(({ id }) => id))
    await transaction.run(setReferencedAmong, { repository, list: ids, since: now })
    for (const { digest } of blobs) transaction.touched.link(name, digest as Digest)
  }
  await transaction.run(renewUntaggedAmong, { repository, list, now })
}

/** Referrers of the removed manifest that have no tag restart their time without a tag. */
async function renewReferrers(
  transaction: Transaction,
  {
    repository,
    subject,
    now,
  }: { readonly repository: number; readonly subject: Digest; readonly now: Instant },
): Promise<void> {
  for (let after = ''; ;) {
    const rows = await transaction.all(referrersOfAfter, { repository, subject, after, limit: rowsAtOnce })
    if (rows.length === 0) return
    const list = JSON.stringify(rows.map(({ digest }) => digest))
    await transaction.run(renewUntaggedAmong, { repository, list, now })
    if (rows.length < rowsAtOnce) return
    after = rows.at(-1)?.digest ?? ''
    await transaction.turn(2 * rows.length)
  }
}
