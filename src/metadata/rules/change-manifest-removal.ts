import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Instant } from '../../instant.ts'
import type { ContentChange, RemovalResult, TagRemoval } from '../records.ts'
import { durable, together, type Transaction } from './change.ts'
import { keepRemovedTags, lastRemovalOf } from './change-history.ts'
import { auditChange, auditRoom } from './change-outbox.ts'
import { findRepository } from './change-repositories.ts'
import { dropManifest, lookAround } from './dropped-manifest.ts'
import { changesRepository, type LockKey } from './locks.ts'
import { factsBefore, factsOfId } from './manifest-facts.ts'
import { anyParent } from './statements/blobs.ts'
import { manifestByDigest, noteUntagged } from './statements/manifests.ts'
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
    const [facts, lastRemoval] = await together([
      auditRecord === undefined ? undefined : factsOfId(transaction, manifest),
      lastRemovalOf(transaction, repository),
    ])
    await keepRemovedTags(transaction, { repository, tags: [tag], now, lastRemoval })
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
    const [manifest, parent, room] = await together([
      transaction.get(manifestByDigest, { name, digest }),
      transaction.get(anyParent, { name, digest }),
      auditRoom(transaction, removal),
    ])
    if (manifest === undefined) return { kind: 'unknown' }
    if (parent !== undefined) return { kind: 'in-use', manifest: parent.digest as Digest }
    const around = await lookAround(transaction, manifest)
    const facts = auditRecord === undefined ? {} : await factsBefore(transaction, manifest, around.tags)
    await dropManifest(transaction, { name, now }, { manifest, around })
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
    const manifest = await transaction.get(manifestByDigest, { name, digest })
    if (manifest === undefined) return false
    const around = await lookAround(transaction, manifest)
    await dropManifest(transaction, { name, now }, { manifest, around })
    return true
  },
)
