import assert from 'node:assert/strict'
import { after, suite, test } from 'node:test'
import { FailureDelays, failureDrains, type Attempt } from '../../../src/access/failures.ts'
import { LoginSources } from '../../../src/access/login-sources.ts'
import { SharedFailures, type FailureStore } from '../../../src/access/shared-failures.ts'
import { Connection } from '../../../src/metadata/postgres/connection.ts'
import type { MetadataStore } from '../../../src/metadata/metadata-store.ts'
import { quiet } from '../../policy-store/fixture.ts'
import { missing } from '../../requirements.ts'
import { openStore, TestPostgres } from './open-postgres.ts'

const home = '10.0.0.1'

/** What the access thread of one process has. */
interface Process {
  readonly delays: FailureDelays
  readonly known: LoginSources
  readonly asked: () => number
}

async function openProcess(store: MetadataStore, patience = 5000): Promise<Process> {
  const { failures } = store.access
  assert.ok(failures !== undefined)
  let asked = 0
  const counted: FailureStore = {
    look: (trial) => {
      asked++
      return failures.look(trial)
    },
    add: (more) => failures.add(more),
    clear: (key) => failures.clear(key),
  }
  const known = await LoginSources.open({ store: store.access, now: Date.now, log: quiet })
  const shared = new SharedFailures({ store: counted, drains: failureDrains, patience })
  return { known, delays: new FailureDelays({ now: Date.now, known, shared }), asked: () => asked }
}

async function attempt({ delays }: Process, name: string, address = home): Promise<Attempt> {
  await delays.learn(name, address)
  return delays.begin(name, address)
}

/** Whether a wrong password was tried. */
async function fail(process: Process, name: string, address = home): Promise<boolean> {
  const made = await attempt(process, name, address)
  if (made.kind === 'wait') return false
  await made.failed()
  return true
}

suite('failed logins of several processes', { skip: missing('initdb', 'postgres') }, () => {
  const postgres = new TestPostgres()
  const stores: MetadataStore[] = []
  after(() => Promise.all(stores.map((store) => store.close())))

  async function open(count: number): Promise<{ readonly url: string; readonly all: readonly Process[] }> {
    const url = await postgres.newRegistry()
    const own = Array.from({ length: count }, () => openStore(url))
    stores.push(...own)
    return { url, all: await Promise.all(own.map((store) => openProcess(store))) }
  }

  test('count together: who goes round the processes waits as if they were one', async () => {
    const { all } = await open(3)
    let tried = 0
    for (let n = 0; n < 30; n++) if (await fail(all[n % 3] as Process, 'alice')) tried++
    assert.equal(tried, 4)
    const waits = await Promise.all(all.map((each) => attempt(each, 'alice')))
    assert.deepEqual(
      waits.map(({ kind }) => kind),
      ['wait', 'wait', 'wait'],
    )
    assert.equal((await attempt(all[1] as Process, 'bob')).kind, 'go')
    assert.equal((await attempt(all[1] as Process, 'alice', '10.0.0.2')).kind, 'go')
  })

  test('of many names from one address, and of one name from many addresses, count together', async () => {
    const { all } = await open(2)
    let tried = 0
    for (let n = 0; n < 130; n++) if (await fail(all[n % 2] as Process, `name${n}`)) tried++
    // One more comes back in each second that this takes.
    assert.ok(tried >= 100 && tried < 120, String(tried))
    tried = 0
    for (let n = 0; n < 80; n++) if (await fail(all[n % 2] as Process, 'carol', `10.1.0.${n}`)) tried++
    assert.ok(tried >= 50 && tried < 60, String(tried))
  })

  test('a success clears them everywhere, and its network is known everywhere', async () => {
    const { all } = await open(2)
    const [one, two] = all as [Process, Process]
    for (let n = 0; n < 3; n++) await fail(one, 'alice')
    const learned = await attempt(two, 'alice')
    assert.ok(learned.kind === 'go')
    learned.undone()
    const right = await attempt(one, 'alice')
    assert.ok(right.kind === 'go')
    right.succeeded()
    await eventually(async () => {
      const made = await attempt(two, 'alice')
      if (made.kind === 'go') made.undone()
      return two.known.knows('alice', home)
    })
    let tried = 0
    while (tried < 10 && (await fail(two, 'alice'))) tried++
    assert.equal(tried, 4, 'three are free again')
    for (let n = 0; n < 60; n++) await fail(one, 'alice', `10.2.0.${n}`)
    assert.equal((await attempt(two, 'alice', '10.3.0.1')).kind, 'wait', 'the name is attacked')
  })

  test('a login asks once, and one that succeeds at the first try writes no count', async () => {
    const { url, all } = await open(1)
    const [one] = all as [Process]
    const right = await attempt(one, 'alice')
    assert.ok(right.kind === 'go')
    right.succeeded()
    assert.equal(one.asked(), 1)
    await fail(one, 'Hunter2!')
    assert.equal(one.asked(), 2)
    const connection = await Connection.open({ connectionString: url })
    try {
      const { rows } = await connection.run<{ key: string }>('select key from login_failure')
      assert.equal(rows.length, 3, 'those of the one failure')
      assert.ok(
        rows.every(({ key }) => !key.includes('Hunter')),
        'what was typed as a name may be a password',
      )
      await connection.run(`update login_failure set failed_at = failed_at - interval '16 minutes'`)
      await fail(one, 'bob', '10.0.0.9')
      const left = await connection.run('select key from login_failure')
      assert.equal(left.rows.length, 3, 'old ones are deleted')
    } finally {
      connection.close()
    }
  })

  test('without the database the counts of the process hold, and nobody waits for it', async () => {
    const { all } = await open(1)
    const [one] = all as [Process]
    const never = new Promise<never>(() => {})
    const asked: string[] = []
    const away: FailureStore = {
      look: () => {
        asked.push('look')
        return never
      },
      add: () => Promise.reject(new Error('away')),
      clear: () => Promise.reject(new Error('away')),
    }
    const shared = new SharedFailures({ store: away, drains: failureDrains, patience: 20 })
    const process = { ...one, delays: new FailureDelays({ now: Date.now, shared }) }
    let tried = 0
    for (let n = 0; n < 10; n++) if (await fail(process, 'alice')) tried++
    assert.equal(tried, 4)
    assert.deepEqual(asked, ['look'], 'it is asked again when it has answered')
  })
})

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries++) {
    assert.ok(tries < 200, 'it did not come to hold')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
