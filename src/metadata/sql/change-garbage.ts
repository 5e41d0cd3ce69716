import { sql, type ExpressionBuilder } from 'kysely'
import type { DataKey } from '../../blobs/blob-store.ts'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { BlobContent, GarbageItem, GarbagePage, GarbageStep, Instant } from '../metadata-store.ts'
import { durable, relaxed, type Transaction } from './change.ts'
import { addPendingDelete, removeLink } from './change-blobs.ts'
import { dropManifest } from './change-manifests.ts'
import { findRepository } from './change-repositories.ts'
import { dropUpload } from './change-uploads.ts'
import type { Schema } from './schema.ts'
import { compile, parameter, sqliteQueries } from './statement.ts'

const queries = sqliteQueries()
const before = parameter<number>('before')
const limit = parameter<number>('limit')

const staleUploads = compile(
  queries
    .selectFrom('upload')
    .innerJoin('repository', 'repository.id', 'upload.repository_id')
    .select(['upload.id', 'upload.data_key', 'upload.size', 'upload.touched_at', 'repository.name'])
    .where('upload.touched_at', '<', before)
    .where('upload.id', '>', parameter<string>('after'))
    .orderBy('upload.id')
    .limit(limit),
)
const untaggedManifests = compile(
  queries
    .selectFrom('manifest')
    .select(['id', 'digest', 'size', 'untagged_since'])
    .where('repository_id', '=', parameter<number>('repository'))
    .where('untagged_since', '<', before)
    .where('id', '>', parameter<number>('after'))
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom('manifest_reference as parent')
            .select('parent.manifest_id')
            .whereRef('parent.repository_id', '=', 'manifest.repository_id')
            .whereRef('parent.child', '=', 'manifest.digest'),
        ),
      ),
    )
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom('manifest as subject')
            .select('subject.id')
            .whereRef('subject.repository_id', '=', 'manifest.repository_id')
            .whereRef('subject.digest', '=', 'manifest.subject'),
        ),
      ),
    )
    .orderBy('id')
    .limit(limit),
)
const unreferencedLinks = compile(
  queries
    .selectFrom('repository_blob as link')
    .innerJoin('repository', 'repository.id', 'link.repository_id')
    .innerJoin('blob', 'blob.id', 'link.blob_id')
    .select([
      'link.repository_id',
      'link.blob_id',
      'link.unreferenced_since',
      'repository.name',
      'blob.digest',
      'blob.size',
    ])
    .select(
      sql<number>`(select count(*) from repository_blob as other where other.blob_id = blob.id)`.as('links'),
    )
    .where('link.unreferenced_since', '<', before)
    .where((where) =>
      where.or([
        where('link.repository_id', '>', parameter<number>('afterRepository')),
        where.and([
          where('link.repository_id', '=', parameter<number>('afterRepository')),
          where('link.blob_id', '>', parameter<number>('afterBlob')),
        ]),
      ]),
    )
    // The state is kept by every change; asking again costs little and can only keep more.
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom('manifest_reference as parent')
            .select('parent.manifest_id')
            .whereRef('parent.repository_id', '=', 'link.repository_id')
            .whereRef('parent.child', '=', 'blob.digest'),
        ),
      ),
    )
    .orderBy('link.repository_id')
    .orderBy('link.blob_id')
    .limit(limit),
)
const unlinkedBlobs = compile(
  queries
    .selectFrom('blob')
    .select(['id', 'digest', 'size', 'unlinked_since'])
    .where('unlinked_since', 'is not', null)
    .where('state', '=', 'live')
    .where('id', '>', parameter<number>('after'))
    .where((where) => where.not(where.exists(linksOf(where))))
    .orderBy('id')
    .limit(limit),
)
const condemnBlob = compile(
  queries
    .updateTable('blob')
    .set({ state: 'condemned', condemned_at: parameter<number>('now') })
    .where('id', '=', parameter<number>('blob')),
)
const condemnedBlobs = compile(
  queries
    .selectFrom('blob')
    .select(['id', 'digest', 'size', 'data_key', 'condemned_at'])
    .where('condemned_at', '<', before)
    .where('state', '=', 'condemned')
    .where('id', '>', parameter<number>('after'))
    .where((where) => where.not(where.exists(linksOf(where))))
    .orderBy('id')
    .limit(limit),
)
const deleteBlob = compile(queries.deleteFrom('blob').where('id', '=', parameter<number>('blob')))
const deleteBody = compile(queries.deleteFrom('blob_body').where('blob_id', '=', parameter<number>('blob')))
const emptyRepositories = compile(
  queries
    .selectFrom('repository')
    .select(['id', 'name'])
    .where('id', '>', parameter<number>('after'))
    .where('created_at', '<', before)
    .where(sql<boolean>`not exists (select 1 from manifest where manifest.repository_id = repository.id)`)
    .where(
      sql<boolean>`not exists (select 1 from repository_blob where repository_blob.repository_id = repository.id)`,
    )
    .where(sql<boolean>`not exists (select 1 from upload where upload.repository_id = repository.id)`)
    .orderBy('id')
    .limit(limit),
)
const deleteRepository = compile(
  queries.deleteFrom('repository').where('id', '=', parameter<number>('repository')),
)
const deletePending = compile(
  queries.deleteFrom('pending_delete').where('data_key', '=', parameter<string>('key')),
)
const leaseByName = compile(
  queries.selectFrom('lease').select(['holder', 'expires_at']).where('name', '=', parameter<string>('name')),
)
const putLease = compile(
  queries
    .insertInto('lease')
    .values({
      name: parameter<string>('name'),
      holder: parameter<string>('holder'),
      expires_at: parameter<number>('expires'),
    })
    .onConflict((conflict) =>
      conflict
        .column('name')
        .doUpdateSet({ holder: parameter<string>('holder'), expires_at: parameter<number>('expires') }),
    ),
)
const deleteLease = compile(
  queries
    .deleteFrom('lease')
    .where('name', '=', parameter<string>('name'))
    .where('holder', '=', parameter<string>('holder')),
)
const putSetting = compile(
  queries
    .insertInto('setting')
    .values({ name: parameter<string>('name'), value: parameter<string>('value') })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: parameter<string>('value') })),
)
const blobContent = compile(
  queries.selectFrom('blob').select(['id', 'data_key']).where('digest', '=', parameter<string>('digest')),
)
const linksOfBlob = compile(
  queries
    .selectFrom('repository_blob')
    .innerJoin('repository', 'repository.id', 'repository_blob.repository_id')
    .select(['repository.id', 'repository.name'])
    .where('repository_blob.blob_id', '=', parameter<number>('blob')),
)

function linksOf(where: ExpressionBuilder<Schema, 'blob'>) {
  return where
    .selectFrom('repository_blob as link')
    .select('link.repository_id')
    .whereRef('link.blob_id', '=', 'blob.id')
}

export const expireUploads = durable(
  async (transaction: Transaction, step: GarbageStep): Promise<GarbagePage> => {
    const rows = await transaction.all(staleUploads, { ...bounds(step), after: step.after ?? '' })
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
    const rows = await transaction.all(untaggedManifests, {
      ...bounds(step),
      repository,
      after: Number(step.after ?? 0),
    })
    if (!step.dryRun) {
      for (const row of rows)
        await dropManifest(transaction, { repository, name, digest: row.digest as Digest, now })
    }
    return page(
      step,
      rows,
      (row) => String(row.id),
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
    const [afterRepository, afterBlob] = (step.after ?? '0.0').split('.').map(Number) as [number, number]
    const rows = await transaction.all(unreferencedLinks, { ...bounds(step), afterRepository, afterBlob })
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
      (row) => `${row.repository_id}.${row.blob_id}`,
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
    const rows = await transaction.all(unlinkedBlobs, { ...bounds(step), after: Number(step.after ?? 0) })
    if (!step.dryRun)
      for (const row of rows) await transaction.run(condemnBlob, { blob: row.id, now: step.now })
    return page(
      step,
      rows,
      (row) => String(row.id),
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
    const rows = await transaction.all(condemnedBlobs, { ...bounds(step), after: Number(step.after ?? 0) })
    if (!step.dryRun) {
      for (const row of rows) await removeBlob(transaction, row.id, row.data_key as DataKey | null)
    }
    return page(
      step,
      rows,
      (row) => String(row.id),
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
    const rows = await transaction.all(emptyRepositories, { ...bounds(step), after: Number(step.after ?? 0) })
    if (!step.dryRun) for (const row of rows) await transaction.run(deleteRepository, { repository: row.id })
    return page(
      step,
      rows,
      (row) => String(row.id),
      rows,
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
    for (const key of keys) await transaction.run(deletePending, { key })
  },
)

export const acquireLease = relaxed(
  async (
    transaction: Transaction,
    lease: { readonly name: string; readonly holder: string; readonly ttl: number; readonly now: Instant },
  ): Promise<boolean> => {
    const { name, holder, ttl, now } = lease
    const current = await transaction.get(leaseByName, { name })
    if (current !== undefined && current.holder !== holder && current.expires_at > now) return false
    await transaction.run(putLease, { name, holder, expires: now + ttl })
    return true
  },
)

export const releaseLease = relaxed(
  async (
    transaction: Transaction,
    lease: { readonly name: string; readonly holder: string },
  ): Promise<void> => {
    await transaction.run(deleteLease, lease)
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
    { digest, content }: { readonly digest: Digest; readonly content: BlobContent },
  ): Promise<boolean> => {
    const row = await transaction.get(blobContent, { digest })
    if (row === undefined || row.data_key !== (content.kind === 'stored' ? content.key : null)) return false
    for (const link of await transaction.all(linksOfBlob, { blob: row.id })) {
      const name = link.name as RepositoryName
      await removeLink(transaction, { repository: link.id, name, blob: row.id, digest, now: 0 })
    }
    await removeBlob(transaction, row.id, row.data_key as DataKey | null)
    return true
  },
)

async function removeBlob(transaction: Transaction, blob: number, key: DataKey | null): Promise<void> {
  await transaction.run(deleteBlob, { blob })
  if (key === null) await transaction.run(deleteBody, { blob })
  else await transaction.run(addPendingDelete, { key })
}

function bounds(step: GarbageStep): { before: number; limit: number } {
  return { before: step.before, limit: step.limit }
}

function page<Row>(
  step: GarbageStep,
  rows: readonly Row[],
  position: (row: Row) => string,
  taken: readonly Row[],
  describe: (row: Row) => GarbageItem,
): GarbagePage {
  const last = rows.length < step.limit ? undefined : rows.at(-1)
  return { items: taken.map(describe), next: last === undefined ? undefined : position(last) }
}

function iso(instant: number | null): string {
  return new Date(instant ?? 0).toISOString()
}
