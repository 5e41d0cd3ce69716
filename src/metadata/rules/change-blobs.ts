import type { DataKey } from '../../blobs/blob-store.ts'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Instant } from '../../instant.ts'
import type { BlobMount, ContentChange, NewBlob, RemovalResult } from '../records.ts'
import type { Statement } from './bind.ts'
import { durable, Overtaken, relaxed, together, type Transaction } from './change.ts'
import { auditChange, auditRoom } from './change-outbox.ts'
import { requireGeneration } from './change-policy.ts'
import { madeRepository } from './change-repositories.ts'
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
  anyLinkOf,
  anyParent,
  blobByDigest,
  deleteLink,
  insertBlob,
  insertBody,
  insertLink,
  linkByName,
  markUnlinked,
  renewLink,
  rescueBlob,
  setTwin as setTwinOf,
} from './statements/blobs.ts'
import { repositoryEver } from './statements/repositories.ts'
import { deleteEmptyUpload, deleteUpload } from './statements/uploads.ts'

type StoredBlob = typeof blobByDigest extends Statement<infer Row> ? Row : never

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
export const putBlob = durable({ locks: locksOfPut }, (transaction: Transaction, blob: NewBlob) =>
  put(transaction, blob, deleteUpload),
)

export const putWholeBlob = durable(
  { locks: locksOfPut },
  async (transaction: Transaction, blob: NewBlob & { readonly uploadId: string }): Promise<boolean> =>
    !transaction.claimed.has(blob.uploadId) && (await put(transaction, blob, deleteEmptyUpload)),
)

/** `end` deletes the upload of the blob, if it may end so. */
async function put(transaction: Transaction, blob: NewBlob, end: Statement<unknown>): Promise<boolean> {
  const { repository: name, digest, uploadId, content, now } = blob
  const key = content.kind === 'stored' ? content.key : null
  const ending = { id: uploadId, name, fence: blob.fence ?? null }
  const [ended, found, known, room] = await together([
    uploadId === undefined ? undefined : transaction.run(end, ending),
    transaction.get(repositoryEver, { name }),
    transaction.get(blobByDigest, { digest }),
    auditRoom(transaction, blob),
    requireGeneration(transaction, blob.policyGeneration),
  ])
  if (ended?.changes === 0) {
    if (key !== null) transaction.send(addPendingDelete, { key })
    return false
  }
  const repository = await madeRepository(transaction, found, { name, now })
  // The second finds by its digest what the first stores.
  const [id, isNew] = await together([
    store(transaction, blob, { key, known }),
    insertedLink(transaction, { repository, name, digest, now }),
  ])
  if (!isNew) transaction.send(renewLink, { repository, blob: id, now })
  const facts = { digest, size: blob.size, ...(!isNew && { known: true }) }
  await auditChange(transaction, blob, () => facts, room)
  return true
}

/** Stores new content, or keeps what is stored already; resolves to the id of its row. */
async function store(
  transaction: Transaction,
  { digest, size, twin, content }: NewBlob,
  { key, known }: { readonly key: DataKey | null; readonly known: StoredBlob | undefined },
): Promise<number> {
  let stored = known
  if (stored === undefined) {
    const { id, changes } = await transaction.run(insertBlob, { digest, size, key, twin })
    if (changes > 0) {
      if (content.kind === 'inline') transaction.send(insertBody, { blob: id, body: content.bytes })
      return id
    }
    stored = await transaction.get(blobByDigest, { digest })
    if (stored === undefined) throw new Overtaken()
  }
  rescue(transaction, stored)
  if (key !== null && stored.data_key !== key) transaction.send(addPendingDelete, { key })
  if (twin !== undefined) transaction.send(setTwinOf, { digest, twin })
  return stored.id
}

/** The blob is about to be linked: it is not deleted, whether it is marked for that or not. */
function rescue(transaction: Transaction, { id, unlinked_since: unlinkedSince }: StoredBlob): void {
  if (unlinkedSince !== null) transaction.send(rescueBlob, { blob: id })
}

const locksOfMount = (mount: BlobMount): readonly LockKey[] => [
  usesRepository(mount.to),
  usesDigest(mount.digest),
  ...judged(mount.policyGeneration),
]

export const mountBlob = durable(
  { locks: locksOfMount },
  async (transaction: Transaction, mount: BlobMount): Promise<boolean> => {
    const { digest, to: name, now } = mount
    const [blob, source, found, room] = await together([
      transaction.get(blobByDigest, { digest }),
      firstLink(transaction, mount),
      transaction.get(repositoryEver, { name }),
      auditRoom(transaction, mount),
      requireGeneration(transaction, mount.policyGeneration),
    ])
    if (blob === undefined || source === undefined) return false
    const repository = await madeRepository(transaction, found, { name, now })
    rescue(transaction, blob)
    const isNew = await insertedLink(transaction, { repository, name, digest, now })
    if (!isNew) transaction.send(renewLink, { repository, blob: blob.id, now })
    const facts = { digest, size: blob.size, from: source.name, ...(!isNew && { known: true }) }
    await auditChange(transaction, mount, () => facts, room)
    return true
  },
)

/** The first of the repositories that links the blob. */
async function firstLink(
  transaction: Transaction,
  { digest, from }: BlobMount,
): Promise<{ readonly name: string } | undefined> {
  if (from === undefined) return transaction.get(anyLinkOf, { digest })
  const found = await transaction.getEach(
    linkByName,
    from.map((name) => ({ name, digest })),
  )
  return found.find((each) => each !== undefined)
}

const locksOfTouch = ({ repository }: ContentChange): readonly LockKey[] => [usesRepository(repository)]

export const touchBlob = durable(
  { locks: locksOfTouch },
  async (transaction: Transaction, touch: ContentChange): Promise<boolean> => {
    const { repository: name, digest, now } = touch
    const [linked, room] = await together([
      transaction.get(linkByName, { name, digest }),
      auditRoom(transaction, touch),
    ])
    if (linked === undefined) return false
    if (linked.unreferenced_since !== null) {
      transaction.send(renewLink, { repository: linked.repository_id, blob: linked.blob_id, now })
      transaction.touched.link(name, digest)
    }
    await auditChange(transaction, touch, () => ({ digest, size: linked.size, known: true }), room)
    return true
  },
)

export const unlinkBlob = durable(
  { locks: ({ repository, digest }) => [changesRepository(repository), removesDigest(digest)] },
  async (transaction: Transaction, unlink: ContentChange): Promise<RemovalResult> => {
    const { repository: name, digest, now } = unlink
    const [linked, parent, room] = await together([
      transaction.get(linkByName, { name, digest }),
      transaction.get(anyParent, { name, digest }),
      auditRoom(transaction, unlink),
    ])
    if (linked === undefined) return { kind: 'unknown' }
    const { repository_id: repository, blob_id: blob, size } = linked
    if (parent !== undefined) return { kind: 'in-use', manifest: parent.digest as Digest }
    removeLink(transaction, { repository, name, blob, digest, now })
    await auditChange(transaction, unlink, () => ({ digest, size }), room)
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
export function removeLink(transaction: Transaction, link: NewBlobLink): void {
  const { repository, blob, now } = link
  transaction.send(deleteLink, { repository, blob })
  transaction.send(markUnlinked, { blob, now })
  transaction.touched.link(link.name, link.digest)
}

/** Links the blob. False when it was linked before: then its grace period is to be renewed, if it has one. */
async function insertedLink(
  transaction: Transaction,
  { repository, name, digest, now }: Omit<NewBlobLink, 'blob'>,
): Promise<boolean> {
  transaction.touched.link(name, digest)
  return (await transaction.run(insertLink, { repository, digest, now })).changes > 0
}
