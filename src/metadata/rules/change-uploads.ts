import type { DataKey, UploadContent } from '../../blobs/blob-store.ts'
import type { Digest, DigestAlgorithm } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { AuditedChange } from '../outbox.ts'
import type { Instant } from '../../instant.ts'
import { durable, relaxed, together, type Transaction } from './change.ts'
import { auditChange, auditRoom } from './change-outbox.ts'
import { ensureRepository } from './change-repositories.ts'
import { changesUpload, none, usesRepository } from './locks.ts'
import { deleteUpload, insertUpload, updateUpload, uploadKey } from './statements/uploads.ts'
import { addPendingDelete } from './statements/blobs.ts'

export const createUpload = relaxed(
  { locks: ({ repository }) => [usesRepository(repository)] },
  async (
    transaction: Transaction,
    upload: {
      readonly id: string
      readonly repository: RepositoryName
      readonly algorithm: DigestAlgorithm
      readonly now: Instant
    },
  ): Promise<void> => {
    const repository = await ensureRepository(transaction, upload.repository, upload.now)
    transaction.send(insertUpload, {
      id: upload.id,
      repository,
      algorithm: upload.algorithm,
      now: upload.now,
    })
  },
)

/** Changes nothing. It is answered after every change that any thread requested before it. */
export const flushPending = relaxed(
  { locks: none },
  async (_transaction: Transaction, _values: object): Promise<void> => {},
)

/**
 * False when the upload was cancelled, or claimed by another process: then that stays as it is, and staged bytes
 * that only this request knows are deleted.
 */
export const saveUpload = relaxed(
  { locks: ({ id }) => [changesUpload(id)] },
  async (
    transaction: Transaction,
    state: {
      readonly id: string
      readonly content: UploadContent
      readonly hashState: Uint8Array | undefined
      readonly digest: Digest | undefined
      readonly cutFrom: number | undefined
      readonly now: Instant
      /** The number of the claim, where it is in the row. */
      readonly fence?: number
    },
  ): Promise<boolean> => {
    const { content } = state
    const saved = await transaction.run(updateUpload, {
      id: state.id,
      key: content.kind === 'staged' ? content.key : null,
      parts: content.kind === 'staged' ? content.parts : null,
      size: content.kind === 'staged' ? content.size : content.bytes.byteLength,
      bytes: content.kind === 'inline' ? content.bytes : null,
      hashState: state.hashState,
      digest: state.digest,
      cutFrom: state.cutFrom,
      fence: state.fence,
      now: state.now,
    })
    if (saved.changes > 0) return true
    if (content.kind === 'staged') transaction.send(addPendingDelete, { key: content.key })
    return false
  },
)

/** Durable, because the bytes may be deleted as soon as the row is gone. */
export const cancelUpload = durable(
  { locks: ({ id }) => [changesUpload(id)] },
  async (
    transaction: Transaction,
    upload: {
      readonly repository: RepositoryName
      readonly id: string
      readonly audited?: AuditedChange | undefined
      /** The number of the claim under which it is cancelled, if any. */
      readonly fence?: number | undefined
    },
  ): Promise<boolean> => {
    const { id, repository, audited } = upload
    const [row, room] = await together([
      transaction.get(uploadKey, { id, name: repository, fence: upload.fence ?? null }),
      audited === undefined ? undefined : auditRoom(transaction, audited),
    ])
    if (row === undefined) return false
    dropUpload(transaction, id, row.data_key as DataKey | null)
    if (audited !== undefined) await auditChange(transaction, audited, () => ({ upload: id }), room)
    return true
  },
)

/** Deletes the upload's row; staged bytes are deleted after this is durable. */
export function dropUpload(transaction: Transaction, id: string, key: DataKey | null): void {
  transaction.send(deleteUpload, { id, fence: null })
  if (key !== null) transaction.send(addPendingDelete, { key })
}
