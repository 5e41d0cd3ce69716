import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Log } from '../../../src/log.ts'
import type {
  DatabaseStanding,
  ServingDatabase,
  ServingProcess,
} from '../../../src/metadata/serving-processes.ts'
import { DatabaseWatch } from '../../../src/serve/database/database-watch.ts'
import { commonSettings } from '../../../src/settings/common-settings.ts'
import { defaultSettings } from '../../../src/settings/default-settings.ts'
import { settingsSchema, type Settings } from '../../../src/settings/settings-schema.ts'

const settings = settingsSchema.parse(defaultSettings(1))

const standing: DatabaseStanding = {
  synchronousStandbyNames: '',
  synchronousCommit: 'on',
  standbys: 0,
  synchronous: 0,
  policies: 0,
}

/** A database that tells what the test wants, and what it was told. */
class TestDatabase implements ServingDatabase {
  now = standing
  others: readonly ServingProcess[] = []
  met: ServingProcess[] = []
  left: string[] = []
  away = false

  async standing(): Promise<DatabaseStanding> {
    if (this.away) throw new Error('it is away')
    return this.now
  }

  async meet(process: ServingProcess): Promise<readonly ServingProcess[]> {
    this.met.push(process)
    return this.others
  }

  async leave(id: string): Promise<void> {
    this.left.push(id)
  }
}

interface Fixture {
  readonly database: TestDatabase
  readonly watch: DatabaseWatch
  readonly lines: string[]
  /** Makes it look again. */
  look(changed?: Settings): Promise<void>
}

function fixture(own: Settings = settings, isShared = true): Fixture {
  const lines: string[] = []
  const line =
    (level: string): Log['info'] =>
    (message, fields = {}) =>
      void lines.push(`${level} ${message} ${JSON.stringify(fields)}`)
  const log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }
  const database = new TestDatabase()
  const watch = new DatabaseWatch({ database, isShared, id: 'me', name: '/a on here', settings: own, log })
  return {
    database,
    watch,
    lines,
    async look(changed = own) {
      watch.setSettings(changed)
      await new Promise(setImmediate)
      await new Promise(setImmediate)
    },
  }
}

const withSettings = (id: string, name: string, changes: Partial<Settings>): ServingProcess => ({
  id,
  name,
  settings: JSON.stringify(commonSettings({ ...settings, ...changes })),
})

suite('what a process is told by its database', () => {
  test('a setting that differs is named once, with both values and where; and once more after it was equal', async () => {
    const { database, lines, look, watch } = fixture({ ...settings, 'policy-database': true })
    const other = withSettings('b', '/b on there', { auth: 'on' })
    database.others = [other, withSettings('c', '/c on there', { auth: 'on', 'policy-database': true })]
    await look()
    await look()
    const line = (setting: string, here: string, there: string, process: string): string =>
      `warn another process of this registry runs with another setting ${JSON.stringify({ setting, here, there, process })}`
    const policies = line('policy source', 'policy-database', 'none', '/b on there')
    assert.deepEqual(lines, [
      policies,
      line('auth', 'off', 'on', '/b on there, /c on there'),
      // With the rules, the control of access turns the audit log on.
      line('audit', 'off', 'on', '/b on there, /c on there'),
    ])
    assert.equal(watch.sight.differences.length, 3)
    assert.deepEqual(watch.sight.others, ['/b on there', '/c on there'])

    database.others = []
    await look()
    assert.match(
      lines.at(-1) ?? '',
      /^info the database and the other processes .* are as they should be again/,
    )
    database.others = [other]
    await look()
    assert.ok(lines.slice(4).includes(policies))
  })

  test('long values are shown by their digest, paths not at all, and another release may have other settings', async () => {
    const { database, lines, look } = fixture({
      ...settings,
      'policy-dir': '/a/policies',
      htpasswd: '/a/htpasswd',
      'node-agents': Array.from({ length: 20 }, (_, index) => `namespace:agent-${index}`),
    })
    const there = commonSettings({ ...settings, 'policy-dir': '/b/policies', htpasswd: '/b/htpasswd' })
    database.others = [
      { id: 'b', name: 'b', settings: JSON.stringify({ ...there, auth: 'on', audit: 'on', later: 'yes' }) },
      { id: 'c', name: 'c', settings: 'no JSON' },
    ]
    await look()
    assert.equal(lines.length, 1)
    assert.match(
      lines[0] ?? '',
      /"setting":"node-agents","here":"20 entries, sha256:[0-9a-f]{12}","there":"\[\\"trow-node/,
    )
  })

  test('asynchronous standbys, and policies that nobody reads, are named once', async () => {
    const { database, lines, look, watch } = fixture(settings, false)
    database.now = { ...standing, standbys: 2, policies: 3 }
    await look()
    await look()
    assert.deepEqual(
      lines.map((line) => line.replace(/ \{.*/, '')),
      [
        'warn pushes are kept as durable as PostgreSQL is',
        'warn the database holds policies that are not in force here: --policy-database would judge by them',
      ],
    )
    assert.match(lines[0] ?? '', /2 standbys, none synchronous \(synchronous_standby_names is empty\)/)
    assert.equal(watch.sight.others, undefined)
    assert.deepEqual(database.met, [], 'a registry of one process has no others')
    await watch.stop()
    assert.deepEqual(database.left, [])
  })

  test('a process tells its settings as they are now, and says when it ends', async () => {
    const { database, look, watch } = fixture()
    await look()
    await look({ ...settings, 'allow-missing': true })
    const told = database.met.map(
      ({ settings: text }) => (JSON.parse(text) as Record<string, string>)['allow-missing'],
    )
    assert.deepEqual(told, ['off', 'on'])
    await watch.stop()
    assert.deepEqual(database.left, ['me'])
  })

  test('a database that is away is no news of others, and is not waited for at the end', async () => {
    const { database, lines, look, watch } = fixture()
    database.others = [withSettings('b', 'b', {})]
    await look()
    database.away = true
    await look()
    assert.equal(watch.sight.away, 'it is away')
    assert.deepEqual(watch.sight.others, ['b'])
    assert.deepEqual(lines, [])
    await watch.stop()
    assert.deepEqual(database.left, [])
  })
})
