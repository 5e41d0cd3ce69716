import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { MetadataStore } from '../../../src/metadata/metadata-store.ts'
import { Connection } from '../../../src/metadata/postgres/connection.ts'
import { parseRepositoryName } from '../../../src/oci/repository-name.ts'
import { missing } from '../../requirements.ts'
import { manifestOf } from '../metadata-store-contract.ts'
import { openStore, TestPostgres } from './open-postgres.ts'

const skip = missing('initdb', 'postgres')
const repository = parseRepositoryName('some/name')
const few = { rows: 3, bytes: 1e6 }

suite('audit records in PostgreSQL', { skip }, () => {
  const postgres = new TestPostgres()

  test('a record that is committed after later ones is read after them, and not skipped', async () => {
    const url = await postgres.newRegistry()
    const store = openStore(url)
    const slow = await Connection.open({ connectionString: url })
    await slow.run('begin')
    await slow.run(`insert into outbox (note, total) values ('slow', 4)`)
    await store.outbox.record(['quick'], 1)
    const read: string[] = []
    let last = 0
    const drain = async (): Promise<void> => {
      for (const { id, auditRecord } of await store.outbox.read({ after: last, limit: 10 })) {
        read.push(auditRecord ?? '')
        last = id
      }
      await store.outbox.forget(last)
    }
    await drain()
    await slow.run('commit')
    await store.outbox.record(['later'], 1)
    await drain()
    assert.deepEqual(read, ['quick', 'slow', 'later'])
    assert.equal((await store.outbox.size()).rows, 0)
    slow.close()
    await store.close()
  })

  const put = (store: MetadataStore, text: string): Promise<unknown> =>
    store.putManifest(manifestOf(repository, text, { now: 1, auditRecord: text }))

  test('beyond the bound changes are refused', async () => {
    const url = await postgres.newRegistry()
    const store = openStore(url, { bound: { changes: few, denials: few, beyond: 'refuse' } })
    const put1 = await Promise.allSettled(Array.from({ length: 3 }, (_, index) => put(store, `${index}`)))
    assert.ok(put1.every(({ status }) => status === 'fulfilled'))
    await assert.rejects(put(store, 'more'), { code: 'UNAVAILABLE' })
    await store.close()
  })

  test('beyond the bound changes go on, and none is missing in the count, whoever made them', async () => {
    const url = await postgres.newRegistry()
    const stores = [1, 2, 3].map(() =>
      openStore(url, { bound: { changes: few, denials: few, beyond: 'allow' } }),
    )
    const [store] = stores as [MetadataStore]
    for (let index = 0; index < 3; index++) await put(store, `first ${index}`)
    await Promise.all(
      stores.flatMap((each, number) =>
        Array.from({ length: 20 }, (_, index) => put(each, `${number} ${index}`)),
      ),
    )
    const [, , third] = await store.outbox.read({ after: 0, limit: 10 })
    await store.outbox.forget(third?.id ?? 0)
    const [gap] = await store.outbox.read({ after: third?.id ?? 0, limit: 10 })
    assert.equal((gap?.facts?.['unrecorded'] as { count: number } | undefined)?.count, 60)
    for (const each of stores) await each.close()
  })
})
