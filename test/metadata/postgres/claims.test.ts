import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { DataKey } from '../../../src/blobs/blob-store.ts'
import { parseRepositoryName } from '../../../src/oci/repository-name.ts'
import { missing } from '../../requirements.ts'
import { queryAt } from '../../support/postgres-server.ts'
import { digestOf } from '../metadata-store-contract.ts'
import { openStore, TestPostgres } from './open-postgres.ts'

const skip = missing('initdb', 'postgres')

suite('claims on uploads in PostgreSQL', { skip }, () => {
  const postgres = new TestPostgres()
  const repository = parseRepositoryName('some/name')
  const staged = (key: string, size: number) =>
    ({
      content: { kind: 'staged', key: key as DataKey, size },
      hashState: undefined,
      digest: undefined,
      cutFrom: undefined,
      now: 2,
    }) as const

  test('a holder of whom nothing is heard loses its claim, and changes nothing any more', async () => {
    const url = await postgres.newRegistry()
    const [silent, store] = [openStore(url), openStore(url)]
    await store.createUpload({ id: 'u', repository, algorithm: 'sha256', now: 1 })
    const lost = await silent.claimUpload(repository, 'u', () => {})
    await lost?.save(staged('first', 1))
    // As if its process had been stopped: the signs of life stay away.
    await queryAt(url, `update upload set heard_at = clock_timestamp() - interval '14 seconds'`)
    let isClaimed = false
    const waiting = store.claimUpload(repository, 'u', () => {}).finally(() => (isClaimed = true))
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.equal(isClaimed, false)
    await queryAt(url, `update upload set heard_at = clock_timestamp() - interval '16 seconds'`)
    const claim = await waiting
    assert.deepEqual(claim?.upload.content, { kind: 'staged', key: 'first', size: 1 })
    assert.equal(await claim?.save(staged('first', 3)), true)
    assert.equal(await lost?.save(staged('first', 2)), false)
    assert.equal(await lost?.save(staged('stray', 2)), false)
    await lost?.release()
    assert.deepEqual((await store.findUpload(repository, 'u'))?.content, { kind: 'staged', key: 'first', size: 3 }) // prettier-ignore
    // Bytes that are the other's stay; those of the late request alone go.
    assert.deepEqual(await store.garbage.pendingDeletes(10), ['stray'])
    const [row] = await queryAt(url, 'select holder is not null as held from upload')
    assert.deepEqual(row, { held: true })
    const blob = { repository, digest: digestOf('late'), size: 2, uploadId: 'u', now: 3 } as const
    const content = { kind: 'stored', key: 'late' as DataKey } as const
    await assert.rejects(silent.putBlob({ ...blob, content, fence: lost?.fence }), {
      code: 'BLOB_UPLOAD_UNKNOWN',
    })
    assert.equal(await store.findLink(repository, blob.digest), undefined)
    assert.equal(await silent.cancelUpload(repository, 'u', undefined, lost?.fence), false)
    assert.deepEqual((await store.findUpload(repository, 'u'))?.content, { kind: 'staged', key: 'first', size: 3 }) // prettier-ignore
    await claim?.release()
    await silent.close()
    await store.close()
  })

  test('a holder that lives keeps its claim for as long as it works, and is asked to let go', async () => {
    const url = await postgres.newRegistry()
    const [holder, store] = [openStore(url), openStore(url)]
    await store.createUpload({ id: 'u', repository, algorithm: 'sha256', now: 1 })
    const asked = Promise.withResolvers<void>()
    const claim = await holder.claimUpload(repository, 'u', asked.resolve)
    await new Promise((resolve) => setTimeout(resolve, 700))
    const [row] = await queryAt(
      url,
      `select heard_at > clock_timestamp() - interval '600 ms' as heard from upload`,
    )
    assert.deepEqual(row, { heard: true })
    const waiting = store.claimUpload(repository, 'u', () => {})
    await asked.promise
    await claim?.release()
    const next = await waiting
    assert.ok(next)
    await next.release()
    await holder.close()
    await store.close()
  })

  test('an upload that is held does not expire', async () => {
    const url = await postgres.newRegistry()
    const store = openStore(url)
    for (const id of ['held', 'left'])
      await store.createUpload({ id, repository, algorithm: 'sha256', now: 1 })
    const claim = await store.claimUpload(repository, 'held', () => {})
    const { items } = await store.garbage.expireUploads({ before: 10, now: 10, limit: 10, dryRun: false })
    assert.deepEqual(items.map(({ subject }) => subject), ['left']) // prettier-ignore
    await claim?.release()
    await store.close()
  })
})
