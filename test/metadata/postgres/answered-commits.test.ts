import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { AnsweredCommits } from '../../../src/metadata/postgres/answered-commits.ts'
import type { MetadataStore } from '../../../src/metadata/metadata-store.ts'
import { parseRepositoryName } from '../../../src/oci/repository-name.ts'
import { missing } from '../../requirements.ts'
import { queryAt } from '../../support/postgres-server.ts'
import { eventually } from '../../support/program.ts'
import { digestOf, manifestOf } from '../metadata-store-contract.ts'
import { openStore, TestPostgres } from './open-postgres.ts'

test('of the commits that were answered one of each quarter of a second is kept, for a while', () => {
  const answered = new AnsweredCommits()
  for (let now = 0; now < 100_000; now += 50) answered.add(String(now), now)
  const list = answered.list(100_000)
  assert.equal(list.length, 120)
  assert.equal(list.at(-1), '99950')
  assert.deepEqual(answered.list(370_250 + 29_700), ['99950'])
  assert.deepEqual(answered.list(500_000), [])
  answered.clear()
  assert.deepEqual(answered.list(100_000), [])
})

suite('commits that were answered', { skip: missing('initdb', 'postgres') }, () => {
  const postgres = new TestPostgres()
  const repository = parseRepositoryName('some/name')
  const look = { copies: [], known: undefined, every: 60_000, now: 1 }

  /** As a standby that lacks the rows of the log and all that came with them: the table of the epoch is empty there. */
  async function failOver(url: string, lost: string): Promise<void> {
    await queryAt(url, lost)
    await queryAt(url, 'delete from epoch')
  }

  async function pushed(store: MetadataStore, name: string): Promise<void> {
    await store.putManifest(manifestOf(repository, name, { now: 1 }))
    assert.notEqual(await store.findManifest(repository, digestOf(name)), undefined)
  }

  test('and that a failover has lost are noticed, though the newest mark is older and is there', async () => {
    const url = await postgres.newRegistry()
    const store = openStore(url)
    await pushed(store, 'kept')
    const { mark } = await store.marks.mark({ ...look, fresh: { token: 'mark', history: 'first' } })
    await pushed(store, 'lost')
    await failOver(url, 'delete from change_log where xid = (select max(xid) from change_log)')
    await store.findManifest(repository, digestOf('kept'))
    await eventually(async () => assert.notEqual((await store.marks.standing()).lost, undefined), 10_000)
    // The marks alone say nothing.
    const after = await store.marks.mark({
      ...look,
      known: { ...mark, at: 0 },
      fresh: { token: 'next', history: 'next' },
    })
    assert.deepEqual([after.found, after.history], ['nothing', 'first'])
    await store.close()
  })

  test('and are there after a recovery are no loss', async () => {
    const url = await postgres.newRegistry()
    const store = openStore(url)
    await pushed(store, 'one')
    for (let recovery = 0; recovery < 3; recovery++) {
      await failOver(url, 'select 1')
      await pushed(store, `after ${recovery}`)
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    assert.equal((await store.marks.standing()).lost, undefined)
    await store.close()
  })
})
