import type { DataKey } from '../../blobs/blob-store.ts'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { GarbageItem, GarbagePage, GarbageStep, Lease } from '../garbage-store.ts'
import type { Instant } from '../../instant.ts'
import type { BlobContent } from '../records.ts'
import { durable, Overtaken, relaxed, together, type Transaction } from './change.ts'
import { removeLink } from './change-blobs.ts'
import { keepLease } from './change-leases.ts'
import { dropUpload } from './change-uploads.ts'
import { dropManifests } from './dropped-manifest.ts'
import {
  bounds,
  finding,
  markedBlobs,
  page,
  position,
  staleUploads,
  unlinkedBlobs,
  unreferencedLinks,
  window,
  type RowOf,
} from './garbage-steps.ts'
import { changesRepository, changesUpload, none, removesDigest, type LockKey } from './locks.ts'
import { addPendingDelete, blobByDigest, linksOfBlob } from './statements/blobs.ts'
import * as statements from './statements/garbage.ts'
import { keyInUse } from './statements/reads.ts'
import { vacateRepository } from './statements/repositories.ts'

export const expireUploads = durable(
  finding(staleUploads, (row) => [changesUpload(row.id)]),
  async (transaction: Transaction, step: GarbageStep): Promise<GarbagePage> => {
    await keepLease(transaction, step.lease)
    const rows = await staleUploads(transaction, step)
    const idle = rows.filter(
      (row) => !transaction.claimed.has(row.id) && transaction.holds(changesUpload(row.id)),
    )
    if (!step.dryRun) for (const row of idle) dropUpload(transaction, row.id, row.data_key as DataKey | null)
    return page(
      step,
      rows,
      (row) => row.id,
      idle,
      (row) => ({
        kind: 'upload',
        repository: row.name as RepositoryName,
        subject: row.id,
        bytes: row.size,
        reason: `the upload has not been touched since ${iso(row.touched_at)}`,
      }),
    )
  },
)

export const expireUntagged = durable(
  {
    locks: ({ repository }: GarbageStep & { readonly repository: RepositoryName }) => [
      changesRepository(repository),
    ],
  },
  async (
    transaction: Transaction,
    step: GarbageStep & { readonly repository: RepositoryName },
  ): Promise<GarbagePage> => {
    const { repository: name } = step
    const [rows] = await together([
      transaction.all(statements.untaggedManifests, { ...bounds(step), ...position(step), name }),
      keepLease(transaction, step.lease),
    ])
    const free = rows.filter(({ needed }) => !needed)
    const taken = step.dryRun ? free : await dropManifests(transaction, step, free)
    const place = (row: (typeof rows)[number]): string => `${row.untagged_since}.${row.id}`
    const last = taken.at(-1)
    const found = page(step, rows, place, taken, (row) => ({
      kind: 'manifest',
      repository: name,
      subject: row.digest,
      bytes: row.size,
      reason: `no tag has pointed to the manifest since ${iso(row.untagged_since)}`,
    }))
    return taken.length < free.length && last !== undefined ? { ...found, next: place(last) } : found
  },
)

export const unlinkUnreferenced = durable(
  finding(unreferencedLinks, locksOfLink),
  async (transaction: Transaction, step: GarbageStep): Promise<GarbagePage> => {
    await keepLease(transaction, step.lease)
    const rows = await unreferencedLinks(transaction, step)
    const taken = rows.filter((row) => locksOfLink(row).every((key) => transaction.holds(key)))
    if (!step.dryRun) {
      for (const row of taken) {
        removeLink(transaction, {
          repository: row.repository_id,
          name: row.name as RepositoryName,
          blob: row.blob_id,
          digest: row.digest as Digest,
          now: step.now,
        })
      }
    }
    return page(
      step,
      rows,
      (row) => `${row.unreferenced_since}.${row.blob_id}.${row.repository_id}`,
      taken,
      (row) => ({
        kind: 'blob-link',
        repository: row.name as RepositoryName,
        subject: row.digest,
        bytes: row.elsewhere === 1 ? 0 : row.size,
        reason: `no manifest of the repository has needed the blob since ${iso(row.unreferenced_since)}`,
      }),
    )
  },
)

export const markBlobs = durable(
  finding(unlinkedBlobs, (row) => [lockBlob(row)]),
  async (transaction: Transaction, step: GarbageStep): Promise<GarbagePage> => {
    await keepLease(transaction, step.lease)
    const rows = await unlinkedBlobs(transaction, step)
    const taken = rows.filter((row) => transaction.holds(lockBlob(row)))
    if (!step.dryRun)
      for (const row of taken) transaction.send(statements.markBlob, { blob: row.id, now: step.now })
    return page(
      step,
      rows,
      (row) => `${row.unlinked_since}.${row.id}`,
      taken,
      (row) => blobItem(row, `no repository has linked the blob since ${iso(row.unlinked_since)}`),
    )
  },
)

export const deleteMarked = durable(
  finding(markedBlobs, (row) => [lockBlob(row)]),
  async (transaction: Transaction, step: GarbageStep): Promise<GarbagePage> => {
    await keepLease(transaction, step.lease)
    const rows = await markedBlobs(transaction, step)
    const taken = rows.filter((row) => transaction.holds(lockBlob(row)))
    if (!step.dryRun) {
      for (const row of taken) removeBlob(transaction, row.id, row.data_key as DataKey | null)
    }
    return page(
      step,
      rows,
      (row) => `${row.condemned_at}.${row.id}`,
      taken,
      (row) => blobItem(row, `the blob was condemned at ${iso(row.condemned_at)}`),
    )
  },
)

export const dropEmptyRepositories = durable(
  {
    locks: none,
    find: async (database, step: GarbageStep) => {
      if (step.dryRun) return []
      const rows = await database.all(statements.repositoriesByUse, window(step))
      return rows.filter(isToGo).map(lockRepository)
    },
  },
  async (transaction: Transaction, step: GarbageStep): Promise<GarbagePage> => {
    await keepLease(transaction, step.lease)
    const rows = await transaction.all(statements.repositoriesByUse, window(step))
    const isHeld = (row: { readonly name: string }): boolean => transaction.holds(lockRepository(row))
    const empty = rows.filter((row) => row.empty === 1 && isHeld(row))
    if (!step.dryRun)
      for (const row of rows.filter((each) => isToGo(each) && isHeld(each))) {
        if (!row.remembered) transaction.send(statements.deleteRepository, { repository: row.id })
        // The history refers to the repository by its id, so the row stays until the history is deleted.
        else if (row.empty) transaction.send(vacateRepository, { repository: row.id, now: step.now })
        else continue
        transaction.touched.tags(row.name as RepositoryName)
      }
    return page(
      step,
      rows,
      (row) => String(row.id),
      empty,
      (row) => ({
        kind: 'repository',
        repository: row.name as RepositoryName,
        subject: row.name,
        bytes: 0,
        reason: 'the repository holds nothing',
      }),
    )
  },
)

interface Keys {
  readonly keys: readonly DataKey[]
  readonly lease?: Lease
}

export const pendOrphans = durable(
  { locks: none },
  async (transaction: Transaction, { keys, lease }: Keys): Promise<number> => {
    await keepLease(transaction, lease)
    const list = keys.map((key) => ({ key }))
    const found = await transaction.getEach(keyInUse, list)
    const added = await transaction.runEach(
      addPendingDelete,
      list.filter((_, index) => !found[index]?.used),
    )
    return added.reduce((sum, { changes }) => sum + changes, 0)
  },
)

export const forgetPendingDeletes = relaxed(
  { locks: none },
  async (transaction: Transaction, { keys, lease }: Keys): Promise<void> => {
    await keepLease(transaction, lease)
    for (const key of keys) transaction.send(statements.deletePending, { key })
  },
)

interface LostBlob {
  readonly digest: Digest
  readonly content: BlobContent
  readonly now: Instant
}

export const dropBlob = durable(
  {
    locks: ({ digest }: LostBlob) => [removesDigest(digest)],
    find: async (database, { digest }) => {
      const blob = await database.get(blobByDigest, { digest })
      return blob === undefined
        ? []
        : (await database.all(linksOfBlob, { blob: blob.id })).map(lockRepository)
    },
  },
  async (transaction: Transaction, { digest, content, now }: LostBlob): Promise<boolean> => {
    const row = await transaction.get(blobByDigest, { digest })
    if (row === undefined || row.data_key !== (content.kind === 'stored' ? content.key : null)) return false
    for (const link of await transaction.all(linksOfBlob, { blob: row.id })) {
      if (!transaction.holds(lockRepository(link))) throw new Overtaken()
      const name = link.name as RepositoryName
      removeLink(transaction, { repository: link.id, name, blob: row.id, digest, now })
    }
    removeBlob(transaction, row.id, row.data_key as DataKey | null)
    return true
  },
)

function removeBlob(transaction: Transaction, blob: number, key: DataKey | null): void {
  transaction.send(statements.deleteBlob, { blob })
  if (key === null) transaction.send(statements.deleteBody, { blob })
  else transaction.send(addPendingDelete, { key })
}

function locksOfLink(row: RowOf<typeof statements.unreferencedLinks>): readonly LockKey[] {
  return [lockRepository(row), lockBlob(row)]
}

function lockBlob({ digest }: { readonly digest: string }): LockKey {
  return removesDigest(digest as Digest)
}

function lockRepository({ name }: { readonly name: string }): LockKey {
  return changesRepository(name as RepositoryName)
}

function isToGo(row: RowOf<typeof statements.repositoriesByUse>): boolean {
  return row.empty === 1 || row.vacated_at !== null
}

function blobItem(row: { readonly digest: string; readonly size: number }, reason: string): GarbageItem {
  return { kind: 'blob', repository: undefined, subject: row.digest, bytes: row.size, reason }
}

function iso(instant: number | null): string {
  return new Date(instant ?? 0).toISOString()
}
