import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Instant } from '../../instant.ts'
import type { BlobMount, ContentChange, NewBlob, RemovalResult } from '../records.ts'
import { durable, relaxed, type Transaction } from './change.ts'
import { noteChange } from './change-outbox.ts'
import { requireGeneration } from './change-policy.ts'
import { ensureRepository, findRepository } from './change-repositories.ts'
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

/** False when the upload was cancelled meanwhile: its bytes are going, so they must not be promised to anybody. */
export const putBlob = durable(async (transaction: Transaction, blob: NewBlob): Promise<boolean> => {
  requireGeneration(transaction, blob.policyGeneration)
  const key = blob.content.kind === 'stored' ? blob.content.key : null
  if (blob.uploadId !== undefined) {
    const ended = await transaction.run(deleteUpload, { id: blob.uploadId })
    if (ended.changes === 0) {
      if (key !== null) await transaction.run(addPendingDelete, { key })
      return false
    }
  }
  const repository = await ensureRepository(transaction, blob.repository, blob.now)
  const known = await transaction.get(blobByDigest, { digest: blob.digest })
  let id = known?.id
  if (id === undefined) {
    const { digest, size, twin } = blob
    id = (await transaction.run(insertBlob, { digest, size, key, twin })).id
    if (blob.content.kind === 'inline')
      await transaction.run(insertBody, { blob: id, body: blob.content.bytes })
  } else {
    await transaction.run(rescueBlob, { blob: id })
    if (key !== null && known?.data_key !== key) await transaction.run(addPendingDelete, { key })
    if (blob.twin !== undefined) await transaction.run(setTwinOf, { digest: blob.digest, twin: blob.twin })
  }
  const added = await link(transaction, {
    repository,
    name: blob.repository,
    blob: id,
    digest: blob.digest,
    now: blob.now,
  })
  await noteChange(transaction, blob, () => ({
    digest: blob.digest,
    size: blob.size,
    ...(!added && { known: true }),
  }))
  return true
})

export const putWholeBlob = durable(
  async (transaction: Transaction, blob: NewBlob & { readonly uploadId: string }): Promise<boolean> => {
    if (transaction.claimed.has(blob.uploadId)) return false
    const upload = await transaction.get(emptyUpload, { id: blob.uploadId, name: blob.repository })
    return upload !== undefined && (await putBlob.run(transaction, blob))
  },
)

export const mountBlob = durable(async (transaction: Transaction, mount: BlobMount): Promise<boolean> => {
  requireGeneration(transaction, mount.policyGeneration)
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
  await noteChange(transaction, mount, async () => ({
    digest: mount.digest,
    size: blob.size,
    from: (await transaction.get(repositoryName, { repository: source }))?.name,
    ...(!added && { known: true }),
  }))
  return true
})

export const touchBlob = durable(async (transaction: Transaction, touch: ContentChange): Promise<boolean> => {
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
  await noteChange(transaction, touch, () => ({ digest: touch.digest, size: blob.size, known: true }))
  return true
})

export const unlinkBlob = durable(
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
    await noteChange(transaction, unlink, () => ({ digest: unlink.digest, size: blob.size }))
    return { kind: 'removed' }
  },
)

/** Follows from the bytes, so that it can be computed again. */
export const setTwin = relaxed(
  async (
    transaction: Transaction,
    values: { readonly digest: Digest; readonly twin: Digest },
  ): Promise<boolean> => (await transaction.run(setTwinOf, values)).changes > 0,
)

export interface Link {
  readonly repository: number
  readonly name: RepositoryName
  readonly blob: number
  readonly digest: Digest
  readonly now: Instant
}

/** Takes the link away; the last one leaves the blob to the collector. */
export async function removeLink(transaction: Transaction, link: Link): Promise<void> {
  await transaction.run(deleteLink, { repository: link.repository, blob: link.blob })
  if ((await transaction.get(anyLink, { blob: link.blob })) === undefined) {
    await transaction.run(markUnlinked, { blob: link.blob, now: link.now })
  }
  transaction.touched.link(link.name, link.digest)
}

/** Begins the blob's grace period there anew, unless a manifest needs it. True: it is new there. */
async function link(transaction: Transaction, link: Link): Promise<boolean> {
  // Content of a manifest that was stored without it (sparse) is in use from the start.
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

/** The first of the repositories that has it. */
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
