import type { DataKey } from '../../blobs/blob-store.ts'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Instant } from '../../instant.ts'
import type { BlobMount, ContentChange, NewBlob, RemovalResult } from '../records.ts'
import { durable, Overtaken, relaxed, type Transaction } from './change.ts'
import { auditChange } from './change-outbox.ts'
import { requireGeneration } from './change-policy.ts'
import { ensureRepository, findRepository } from './change-repositories.ts'
import {
  changesRepository,
  changesUpload,
  judged,
  none,
  removesDigest,
  usesDigest,
  usesRepository,
  type LockKey,
} from './locks.ts'
import {
  addPendingDelete,
  anyLink,
  anyParent,
  blobByDigest,
  deleteLink,
  insertBlob,
  insertBody,
  insertLink,
  linkOf,
  markUnlinked,
  renewLink,
  rescueBlob,
  setTwin as setTwinOf,
} from './statements/blobs.ts'
import { repositoryName } from './statements/repositories.ts'
import { deleteUpload, emptyUpload } from './statements/uploads.ts'

const locksOfPut = (blob: NewBlob): readonly LockKey[] => [
  usesRepository(blob.repository),
  usesDigest(blob.digest),
  ...(blob.uploadId === undefined ? [] : [changesUpload(blob.uploadId)]),
  ...judged(blob.policyGeneration),
]

/**
 * False when the upload was cancelled, or claimed by another process, meanwhile: its bytes are about to be deleted, so no client may be told
 * that the blob exists.
 */
export const putBlob = durable(
  { locks: locksOfPut },
  async (transaction: Transaction, blob: NewBlob): Promise<boolean> => {
    await requireGeneration(transaction, blob.policyGeneration)
    const key = blob.content.kind === 'stored' ? blob.content.key : null
    if (blob.uploadId !== undefined) {
      const ended = await transaction.run(deleteUpload, { id: blob.uploadId, fence: blob.fence ?? null })
      if (ended.changes === 0) {
        if (key !== null) await transaction.run(addPendingDelete, { key })
        return false
      }
    }
    const repository = await ensureRepository(transaction, blob.repository, blob.now)
    const id = await store(transaction, blob, key)
    const added = await link(transaction, {
      repository,
      name: blob.repository,
      blob: id,
      digest: blob.digest,
      now: blob.now,
    })
    await auditChange(transaction, blob, () => ({
      digest: blob.digest,
      size: blob.size,
      ...(!added && { known: true }),
    }))
    return true
  },
)

/** Stores new content, or keeps what is stored already; resolves to the id of its row. */
async function store(transaction: Transaction, blob: NewBlob, key: DataKey | null): Promise<number> {
  const { digest, size, twin, content } = blob
  let known = await transaction.get(blobByDigest, { digest })
  if (known === undefined) {
    const { id, changes } = await transaction.run(insertBlob, { digest, size, key, twin })
    if (changes > 0) {
      if (content.kind === 'inline') await transaction.run(insertBody, { blob: id, body: content.bytes })
      return id
    }
    known = await transaction.get(blobByDigest, { digest })
    if (known === undefined) throw new Overtaken()
  }
  await transaction.run(rescueBlob, { blob: known.id })
  if (key !== null && known.data_key !== key) await transaction.run(addPendingDelete, { key })
  if (twin !== undefined) await transaction.run(setTwinOf, { digest, twin })
  return known.id
}

export const putWholeBlob = durable(
  { locks: locksOfPut },
  async (transaction: Transaction, blob: NewBlob & { readonly uploadId: string }): Promise<boolean> => {
    if (transaction.claimed.has(blob.uploadId)) return false
    const upload = await transaction.get(emptyUpload, { id: blob.uploadId, name: blob.repository })
    return upload !== undefined && (await putBlob.run(transaction, blob))
  },
)

const locksOfMount = (mount: BlobMount): readonly LockKey[] => [
  usesRepository(mount.to),
  usesDigest(mount.digest),
  ...judged(mount.policyGeneration),
]

export const mountBlob = durable(
  { locks: locksOfMount },
  async (transaction: Transaction, mount: BlobMount): Promise<boolean> => {
    await requireGeneration(transaction, mount.policyGeneration)
    const blob = await transaction.get(blobByDigest, { digest: mount.digest })
    if (blob === undefined) return false
    const source = await linkedIn(transaction, blob.id, mount.from)
    if (source === undefined) return false
    const repository = await ensureRepository(transaction, mount.to, mount.now)
    await transaction.run(rescueBlob, { blob: blob.id })
    const added = await link(transaction, {
      repository,
      name: mount.to,
      blob: blob.id,
      digest: mount.digest,
      now: mount.now,
    })
    await auditChange(transaction, mount, async () => ({
      digest: mount.digest,
      size: blob.size,
      from: (await transaction.get(repositoryName, { repository: source }))?.name,
      ...(!added && { known: true }),
    }))
    return true
  },
)

const locksOfTouch = ({ repository }: ContentChange): readonly LockKey[] => [usesRepository(repository)]

export const touchBlob = durable(
  { locks: locksOfTouch },
  async (transaction: Transaction, touch: ContentChange): Promise<boolean> => {
    const repository = await findRepository(transaction, touch.repository)
    const blob =
      repository === undefined ? undefined : await transaction.get(blobByDigest, { digest: touch.digest })
    if (repository === undefined || blob === undefined) return false
    const linked = await transaction.get(linkOf, { repository, blob: blob.id })
    if (linked === undefined) return false
    if (linked.unreferenced_since !== null) {
      await transaction.run(renewLink, { repository, blob: blob.id, now: touch.now })
      transaction.touched.link(touch.repository, touch.digest)
    }
    await auditChange(transaction, touch, () => ({ digest: touch.digest, size: blob.size, known: true }))
    return true
  },
)

export const unlinkBlob = durable(
  { locks: ({ repository, digest }) => [changesRepository(repository), removesDigest(digest)] },
  async (transaction: Transaction, unlink: ContentChange): Promise<RemovalResult> => {
    const repository = await findRepository(transaction, unlink.repository)
    const blob =
      repository === undefined ? undefined : await transaction.get(blobByDigest, { digest: unlink.digest })
    if (repository === undefined || blob === undefined) return { kind: 'unknown' }
    const linked = await transaction.get(linkOf, { repository, blob: blob.id })
    if (linked === undefined) return { kind: 'unknown' }
    const parent = await transaction.get(anyParent, { repository, digest: unlink.digest })
    if (parent !== undefined) return { kind: 'in-use', manifest: parent.digest as Digest }
    await removeLink(transaction, {
      repository,
      name: unlink.repository,
      blob: blob.id,
      digest: unlink.digest,
      now: unlink.now,
    })
    await auditChange(transaction, unlink, () => ({ digest: unlink.digest, size: blob.size }))
    return { kind: 'removed' }
  },
)

/** Relaxed: the twin follows from the bytes, so it can be computed again. */
export const setTwin = relaxed(
  { locks: none },
  async (
    transaction: Transaction,
    values: { readonly digest: Digest; readonly twin: Digest },
  ): Promise<boolean> => (await transaction.run(setTwinOf, values)).changes > 0,
)

export interface NewBlobLink {
  readonly repository: number
  readonly name: RepositoryName
  readonly blob: number
  readonly digest: Digest
  readonly now: Instant
}

/** Removes the link. If it was the blob's last link, the collector may delete the blob. */
export async function removeLink(transaction: Transaction, link: NewBlobLink): Promise<void> {
  await transaction.run(deleteLink, { repository: link.repository, blob: link.blob })
  if ((await transaction.get(anyLink, { blob: link.blob })) === undefined) {
    await transaction.run(markUnlinked, { blob: link.blob, now: link.now })
  }
  transaction.touched.link(link.name, link.digest)
}

/**
 * Links the blob; restarts the grace period of an existing link unless a manifest refers to the blob. True
 * when the link is new.
 */
async function link(transaction: Transaction, link: NewBlobLink): Promise<boolean> {
  // A manifest that was stored without this content (sparse) already refers to it.
  const parent = await transaction.get(anyParent, { repository: link.repository, digest: link.digest })
  const added = await transaction.run(insertLink, {
    repository: link.repository,
    blob: link.blob,
    since: parent === undefined ? link.now : null,
  })
  if (added.changes === 0)
    await transaction.run(renewLink, { repository: link.repository, blob: link.blob, now: link.now })
  transaction.touched.link(link.name, link.digest)
  return added.changes > 0
}

/** The first of the repositories that links the blob. */
async function linkedIn(
  transaction: Transaction,
  blob: number,
  repositories: readonly RepositoryName[] | undefined,
): Promise<number | undefined> {
  if (repositories === undefined) return (await transaction.get(anyLink, { blob }))?.repository_id
  for (const name of repositories) {
    const repository = await findRepository(transaction, name)
    if (repository !== undefined && (await transaction.get(linkOf, { repository, blob })) !== undefined)
      return repository
  }
  return undefined
}
