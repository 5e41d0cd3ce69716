import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { suite, test } from 'node:test'
import { Connection } from '../../../src/metadata/postgres/connection.ts'
import { migrations } from '../../../src/metadata/postgres/migrations.ts'
import { prepareDatabase } from '../../../src/metadata/postgres/prepare-database.ts'
import { missing } from '../../requirements.ts'
import { openStore, TestPostgres } from './open-postgres.ts'

suite('migrations of a database', { skip: missing('initdb', 'postgres') }, () => {
  const postgres = new TestPostgres()

  test('a registry of the first version keeps its pending deletions, which begin now', async () => {
    const url = await (await postgres.server).newDatabase()
    const connection = await Connection.open({ connectionString: url })
    const id = randomUUID()
    try {
      assert.equal((await prepareDatabase(connection, { id }, migrations.slice(0, 1))).fresh, true)
      await connection.run('insert into pending_delete (data_key) values ($1)', ['a'.repeat(32)])
      assert.equal((await prepareDatabase(connection, { id: randomUUID() })).fresh, false)
      const { rows } = await connection.run<{ version: number; id: string }>(
        `select version, (select value from setting where name = 'registry-id') as id from trow_schema`,
      )
      assert.deepEqual(rows, [{ version: migrations.length, id }])
    } finally {
      connection.close()
    }
    const store = openStore(url)
    try {
      assert.deepEqual(await store.garbage.pendingDeletes(10, Date.now() - 60_000), [])
      assert.deepEqual(await store.garbage.pendingDeletes(10), ['a'.repeat(32)])
    } finally {
      await store.close()
    }
  })
})
