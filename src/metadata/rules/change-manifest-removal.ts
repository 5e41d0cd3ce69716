import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Instant } from '../../instant.ts'
import type { ContentChange, RemovalResult, TagRemoval } from '../records.ts'
import { durable, rowsAtOnce, together, type Transaction } from './change.ts'
import { keepFirstSeen, keepRemovedTags } from './change-history.ts'
import { auditChange, auditRoom } from './change-outbox.ts'
import { findRepository } from './change-repositories.ts'
import { changesRepository, type LockKey } from './locks.ts'
import { factsBefore, factsOfId } from './manifest-facts.ts'
import { dropTags } from './manifest-tags.ts'
import { anyParent } from './statements/blobs.ts'
import {
  firstChildrenOf,
  linkedAmong,
  manifestByDigest,
  noteUntagged,
  orphansAmong,
  referrersOfAfter,
  removeBody,
  removeManifest,
  removeReferences,
  renewUntaggedAmong,
  setReferencedAmong,
} from './statements/manifests.ts'
import { removeTag, tagEver } from './statements/tags.ts'

const locks = ({ repository }: { readonly repository: RepositoryName }): readonly LockKey[] => [
  changesRepository(repository),
]

export const deleteTag = durable(
  { locks },
  async (transaction: Transaction, removal: TagRemoval): Promise<boolean> => {
    const { repository: name, tag, now, auditRecord } = removal
    const [repository, current, room] = await together([
      findRepository(transaction, name),
      transaction.get(tagEver, { name, tag }),
      auditRoom(transaction, removal),
    ])
    const manifest = current?.manifest_id
    if (repository === undefined || typeof manifest !== 'number') return false
    const [facts] = await together([
      auditRecord === undefined ? undefined : factsOfId(transaction, manifest),
      keepRemovedTags(transaction, { repository, tags: [tag], now }),
    ])
    transaction.send(removeTag, { repository, tag })
    transaction.send(noteUntagged, { manifest, now })
    transaction.touched.tag(name, tag)
    const tags = [{ name: tag, before: current?.digest }]
    await auditChange(transaction, { auditRecord, now }, () => ({ ...facts, tags }), room)
    return true
  },
)

export const deleteManifest = durable(
  { locks },
  async (transaction: Transaction, removal: ContentChange): Promise<RemovalResult> => {
    const { repository: name, digest, now, auditRecord } = removal
    const repository = await findRepository(transaction, name)
    if (repository === undefined) return { kind: 'unknown' }
    const [manifest, parent, room] = await together([
      transaction.get(manifestByDigest, { repository, digest }),
      transaction.get(anyParent, { repository, digest }),
      auditRoom(transaction, removal),
    ])
    if (manifest === undefined) return { kind: 'unknown' }
    if (parent !== undefined) return { kind: 'in-use', manifest: parent.digest as Digest }
    const facts = auditRecord === undefined ? {} : await factsBefore(transaction, manifest.id, digest)
    await dropManifest(transaction, { repository, name, digest, now })
    await auditChange(transaction, { auditRecord, now }, () => facts, room)
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
  keepFirstSeen(transaction, { repository, manifest, now })
  transaction.send(removeBody, { manifest })
  transaction.send(removeManifest, { manifest })
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
    transaction.send(removeReferences, { repository, manifest, list })
    const orphans = await transaction.all(orphansAmong, { repository, list })
    if (orphans.length > 0)
      await noteUnreferenced(transaction, { ...at, orphans: orphans.map(({ value }) => value) })
    if (children.length < rowsAtOnce) return
    await transaction.turn(4 * children.length)
  }
}

async function noteUnreferenced(
  transaction: Transaction,
  { repository, name, now, orphans }: At & { readonly orphans: readonly string[] },
): Promise<void> {
  const list = JSON.stringify(orphans)
  const blobs = await transaction.all(linkedAmong, { name, list })
  if (blobs.length > 0) {
    const ids = JSON.stringify(blobs.map(({ id }) => id))
    transaction.send(setReferencedAmong, { repository, list: ids, since: now })
    for (const { digest } of blobs) transaction.touched.link(name, digest as Digest)
  }
  transaction.send(renewUntaggedAmong, { repository, list, now })
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
    transaction.send(renewUntaggedAmong, { repository, list, now })
    if (rows.length < rowsAtOnce) return
    after = rows.at(-1)?.digest ?? ''
    await transaction.turn(2 * rows.length)
  }
}
