import type { DataKey } from '../../blobs/blob-store.ts'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { GarbageItem, GarbagePage, GarbageStep, LeaseTerm } from '../garbage-store.ts'
import type { Instant } from '../../instant.ts'
import type { BlobContent } from '../records.ts'
import { durable, relaxed, type Transaction } from './change.ts'
import { removeLink } from './change-blobs.ts'
import { dropManifest } from './change-manifest-removal.ts'
import { findRepository } from './change-repositories.ts'
import { dropUpload } from './change-uploads.ts'
import { addPendingDelete, blobByDigest, linksOfBlob } from './statements/blobs.ts'
import * as statements from './statements/garbage.ts'
import { vacateRepository } from './statements/repositories.ts'
import { putSetting } from './statements/settings.ts'

export const expireUploads = durable(
  async (transaction: Transaction, step: GarbageStep): Promise<GarbagePage> => {
    const rows = await transaction.all(statements.staleUploads, { ...bounds(step), after: step.after ?? '' })
    const idle = rows.filter((row) => !transaction.claimed.has(row.id))
    if (!step.dryRun)
      for (const row of idle) await dropUpload(transaction, row.id, row.data_key as DataKey | null)
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
  async (
    transaction: Transaction,
    step: GarbageStep & { readonly repository: RepositoryName },
  ): Promise<GarbagePage> => {
    const { repository: name, now } = step
    const repository = await findRepository(transaction, name)
    if (repository === undefined) return { items: [], next: undefined }
    const rows = await transaction.all(statements.untaggedManifests, {
      ...bounds(step),
      ...position(step),
      repository,
    })
    if (!step.dryRun) {
      for (const row of rows)
        await dropManifest(transaction, { repository, name, digest: row.digest as Digest, now })
    }
    return page(
      step,
      rows,
      (row) => `${row.untagged_since}.${row.id}`,
      rows,
      (row) => ({
        kind: 'manifest',
        repository: name,
        subject: row.digest,
        bytes: row.size,
        reason: `no tag has pointed to the manifest since ${iso(row.untagged_since)}`,
      }),
    )
  },
)

export const unlinkUnreferenced = durable(
  async (transaction: Transaction, step: GarbageStep): Promise<GarbagePage> => {
    const rows = await transaction.all(statements.unreferencedLinks, { ...bounds(step), ...position(step) })
    if (!step.dryRun) {
      for (const row of rows) {
        await removeLink(transaction, {
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
      rows,
      (row) => ({
        kind: 'blob-link',
        repository: row.name as RepositoryName,
        subject: row.digest,
        bytes: row.links === 1 ? row.size : 0,
        reason: `no manifest of the repository has needed the blob since ${iso(row.unreferenced_since)}`,
      }),
    )
  },
)

export const condemnBlobs = durable(
  async (transaction: Transaction, step: GarbageStep): Promise<GarbagePage> => {
    const rows = await transaction.all(statements.unlinkedBlobs, { ...bounds(step), ...position(step) })
    if (!step.dryRun)
      for (const row of rows) await transaction.run(statements.condemnBlob, { blob: row.id, now: step.now })
    return page(
      step,
      rows,
      (row) => `${row.unlinked_since}.${row.id}`,
      rows,
      (row) => ({
        kind: 'blob',
        repository: undefined,
        subject: row.digest,
        bytes: row.size,
        reason: `no repository has linked the blob since ${iso(row.unlinked_since)}`,
      }),
    )
  },
)

export const deleteCondemned = durable(
  async (transaction: Transaction, step: GarbageStep): Promise<GarbagePage> => {
    const rows = await transaction.all(statements.condemnedBlobs, { ...bounds(step), ...position(step) })
    if (!step.dryRun) {
      for (const row of rows) await removeBlob(transaction, row.id, row.data_key as DataKey | null)
    }
    return page(
      step,
      rows,
      (row) => `${row.condemned_at}.${row.id}`,
      rows,
      (row) => ({
        kind: 'blob',
        repository: undefined,
        subject: row.digest,
        bytes: row.size,
        reason: `the blob was condemned at ${iso(row.condemned_at)}`,
      }),
    )
  },
)

export const dropEmptyRepositories = durable(
  async (transaction: Transaction, step: GarbageStep): Promise<GarbagePage> => {
    const rows = await transaction.all(statements.repositoriesByUse, {
      ...bounds(step),
      afterId: Number(step.after ?? 0),
    })
    const empty = rows.filter((row) => row.empty === 1)
    if (!step.dryRun)
      for (const row of rows.filter(
        ({ empty: isEmpty, vacated_at: vacated }) => isEmpty || vacated !== null,
      )) {
        if (!row.remembered) await transaction.run(statements.deleteRepository, { repository: row.id })
        // Its id is what its history is found by, until that is forgotten.
        else if (row.empty) await transaction.run(vacateRepository, { repository: row.id, now: step.now })
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

export const forgetPendingDeletes = relaxed(
  async (transaction: Transaction, { keys }: { readonly keys: readonly DataKey[] }): Promise<void> => {
    for (const key of keys) await transaction.run(statements.deletePending, { key })
  },
)

export const acquireLease = relaxed(async (transaction: Transaction, lease: LeaseTerm): Promise<boolean> => {
  const { name, holder, ttl, now } = lease
  const current = await transaction.get(statements.leaseByName, { name })
  if (current !== undefined && current.holder !== holder && current.expires_at > now) return false
  await transaction.run(statements.putLease, { name, holder, expires: now + ttl })
  return true
})

/** Other than `acquireLease` it never takes a lease that somebody has had in between. */
export const renewLease = relaxed(async (transaction: Transaction, lease: LeaseTerm): Promise<boolean> => {
  const { name, holder, ttl, now } = lease
  if ((await transaction.get(statements.leaseByName, { name }))?.holder !== holder) return false
  await transaction.run(statements.putLease, { name, holder, expires: now + ttl })
  return true
})

export const releaseLease = relaxed(
  async (transaction: Transaction, lease: Pick<LeaseTerm, 'name' | 'holder'>): Promise<void> => {
    await transaction.run(statements.deleteLease, lease)
  },
)

export const clockSetting = 'garbage-clock'

export const recordClock = relaxed(
  async (
    transaction: Transaction,
    clock: { readonly seenAt: Instant; readonly suspendedUntil: Instant | undefined },
  ): Promise<void> => {
    await transaction.run(putSetting, { name: clockSetting, value: JSON.stringify(clock) })
  },
)

/** Writes something, durably, to see that it can be done. */
export const probe = durable(
  async (transaction: Transaction, { now }: { readonly now: Instant }): Promise<void> => {
    await transaction.run(putSetting, { name: 'probe', value: String(now) })
  },
)

export const dropBlob = durable(
  async (
    transaction: Transaction,
    {
      digest,
      content,
      now,
    }: { readonly digest: Digest; readonly content: BlobContent; readonly now: Instant },
  ): Promise<boolean> => {
    const row = await transaction.get(blobByDigest, { digest })
    if (row === undefined || row.data_key !== (content.kind === 'stored' ? content.key : null)) return false
    for (const link of await transaction.all(linksOfBlob, { blob: row.id })) {
      const name = link.name as RepositoryName
      await removeLink(transaction, { repository: link.id, name, blob: row.id, digest, now })
    }
    await removeBlob(transaction, row.id, row.data_key as DataKey | null)
    return true
  },
)

async function removeBlob(transaction: Transaction, blob: number, key: DataKey | null): Promise<void> {
  await transaction.run(statements.deleteBlob, { blob })
  if (key === null) await transaction.run(statements.deleteBody, { blob })
  else await transaction.run(addPendingDelete, { key })
}

function bounds(step: GarbageStep): { before: number; limit: number } {
  return { before: step.before, limit: step.limit }
}

/** The opaque word of a page: time, id and, of a link, repository of its last row. */
function position(step: GarbageStep): { afterSince: number; afterId: number; afterRepository: number } {
  const [afterSince = -1, afterId = 0, afterRepository = 0] = step.after?.split('.').map(Number) ?? []
  return { afterSince, afterId, afterRepository }
}

function page<Row>(
  step: GarbageStep,
  rows: readonly Row[],
  place: (row: Row) => string,
  taken: readonly Row[],
  describe: (row: Row) => GarbageItem,
): GarbagePage {
  const last = rows.length < step.limit ? undefined : rows.at(-1)
  return { items: taken.map(describe), next: last === undefined ? undefined : place(last) }
}

function iso(instant: number | null): string {
  return new Date(instant ?? 0).toISOString()
}
