import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { LockSet } from '../../../src/metadata/postgres/advisory-locks.ts'
import { attemptChanges } from '../../../src/metadata/postgres/attempt.ts'
import { Connection } from '../../../src/metadata/postgres/connection.ts'
import { ownStatement } from '../../../src/metadata/postgres/own-statement.ts'
import type { Change } from '../../../src/metadata/rules/change.ts'
import { alone, none } from '../../../src/metadata/rules/locks.ts'
import { defaultOutboxBound } from '../../../src/metadata/rules/outbox-bound.ts'
import { putSetting, settingByName } from '../../../src/metadata/rules/statements/settings.ts'
import { missing } from '../../requirements.ts'
import { TestPostgres } from './open-postgres.ts'

const skip = missing('initdb', 'postgres')

suite('statements whose answer nobody waits for', { skip }, () => {
  const postgres = new TestPostgres()
  let connection: Connection

  before(async () => {
    connection = await Connection.open({ connectionString: await postgres.newRegistry() })
  })
  after(() => connection.close())

  async function attempt(run: Change<unknown, unknown>['run']): Promise<unknown> {
    const change = { durable: true, locks: none, run }
    const { results } = await attemptChanges(connection, [{ change, values: {} }], defaultOutboxBound)
    return results[0]
  }

  test('are run before what the change asks afterwards, and are committed', async () => {
    const seen = await attempt(async (transaction) => {
      transaction.send(putSetting, { name: 'kept', value: 'x' })
      return transaction.get(settingByName, { name: 'kept' })
    })
    assert.deepEqual(seen, { value: 'x' })
    assert.deepEqual((await connection.ask(settingByName, { name: 'kept' })).rows, [{ value: 'x' }])
  })

  test('a lock that is not given in time is the reason, and not what was sent behind it', async (t) => {
    const url = await postgres.newRegistry()
    const [holder, late] = [
      await Connection.open({ connectionString: url }),
      await Connection.open({ connectionString: url }),
    ]
    t.after(() => [holder, late].forEach((each) => each.close()))
    const key = alone('held')
    await holder.run('begin')
    await new LockSet([key]).take(holder, randomUUID())
    await late.run('set statement_timeout = 200')
    const change: Change<unknown, unknown> = {
      durable: true,
      locks: () => [key],
      run: (transaction) =>
        Promise.all(['a', 'b', 'c'].map(async (name) => transaction.get(settingByName, { name }))),
    }
    await assert.rejects(attemptChanges(late, [{ change, values: {} }], defaultOutboxBound), {
      code: '57014',
    })
  })

  test('fail the change, even as its last statement, and nothing of it stays', async () => {
    const fails = ownStatement('test.fails', 'select 1 / 0', [])
    const failing = attempt(async (transaction) => {
      await transaction.get(settingByName, { name: 'lost' })
      transaction.send(putSetting, { name: 'lost', value: 'x' })
      transaction.send(fails, {})
      return 'told as done'
    })
    await assert.rejects(failing, { code: '22012' })
    assert.deepEqual((await connection.ask(settingByName, { name: 'lost' })).rows, [])
  })
})
