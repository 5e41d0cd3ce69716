import type { DataKey, Held } from '../../blobs/blob-store.ts'
import type { Digest, DigestAlgorithm } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Noted } from '../outbox.ts'
import type { Instant } from '../../instant.ts'
import { durable, relaxed, type Transaction } from './change.ts'
import { noteChange } from './change-outbox.ts'
import { ensureRepository, findRepository } from './change-repositories.ts'
import { deleteUpload, insertUpload, updateUpload, uploadKey } from './statements/uploads.ts'
import { addPendingDelete } from './statements/blobs.ts'

export const createUpload = relaxed(
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
    await transaction.run(insertUpload, {
      id: upload.id,
      repository,
      algorithm: upload.algorithm,
      now: upload.now,
    })
  },
)

/** Changes nothing: what was asked for before it, in any thread, has been done when it is answered. */
export const settle = relaxed(async (_transaction: Transaction, _values: object): Promise<void> => {})

/** An upload that was cancelled meanwhile stays cancelled: its staged bytes go. */
export const saveUpload = relaxed(
  async (
    transaction: Transaction,
    state: {
      readonly id: string
      readonly held: Held
      readonly hashState: Uint8Array | undefined
      readonly digest: Digest | undefined
      readonly cutFrom: number | undefined
      readonly now: Instant
    },
  ): Promise<void> => {
    const { held } = state
    const saved = await transaction.run(updateUpload, {
      id: state.id,
      key: held.kind === 'staged' ? held.key : null,
      size: held.kind === 'staged' ? held.size : held.bytes.byteLength,
      bytes: held.kind === 'inline' ? held.bytes : null,
      hashState: state.hashState,
      digest: state.digest,
      cutFrom: state.cutFrom,
      now: state.now,
    })
    if (saved.changes === 0 && held.kind === 'staged')
      await transaction.run(addPendingDelete, { key: held.key })
  },
)

/** Durable: its bytes may go as soon as the row has. */
export const cancelUpload = durable(
  async (
    transaction: Transaction,
    upload: { readonly repository: RepositoryName; readonly id: string; readonly noted?: Noted | undefined },
  ): Promise<boolean> => {
    const repository = await findRepository(transaction, upload.repository)
    if (repository === undefined) return false
    const row = await transaction.get(uploadKey, { id: upload.id, repository })
    if (row === undefined) return false
    await dropUpload(transaction, upload.id, row.data_key as DataKey | null)
    if (upload.noted !== undefined) await noteChange(transaction, upload.noted, () => ({ upload: upload.id }))
    return true
  },
)

/** The upload with what it holds; staged bytes go once this is durable. */
export async function dropUpload(transaction: Transaction, id: string, key: DataKey | null): Promise<void> {
  await transaction.run(deleteUpload, { id })
  if (key !== null) await transaction.run(addPendingDelete, { key })
}
