import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { exceptionText, KeeperFixture, policyText, SetClocks, until } from './fixture.ts'

const day = 86_400_000
const names = ({ policies }: { readonly policies: readonly { readonly name: string }[] }): string =>
  policies.map(({ name }) => name).join(' ')

suite('the policies of a folder', () => {
  test('are in force within a second of a change: a new file, a change in place, a removal', async () => {
    await using fixture = new KeeperFixture()
    const keeper = fixture.start()
    await until(() => fixture.published.length === 1)
    assert.equal(names(fixture.published[0] ?? { policies: [] }), '')
    for (const [change, wanted] of [
      [() => fixture.write('a.yaml', policyText('a')), 'a'],
      [() => writeFileSync(join(fixture.policies, 'a.yaml'), policyText('b')), 'b'],
      [() => writeFileSync(join(fixture.policies, 'c.json'), policyText('c')), 'b c'],
      [() => rmSync(join(fixture.policies, 'a.yaml')), 'c'],
    ] as const) {
      change()
      await until(() => names(fixture.published.at(-1) ?? { policies: [] }) === wanted, 1000)
    }
    assert.deepEqual(
      fixture.published.map(({ generation }) => generation),
      [1, 2, 3, 4, 5],
    )
    await until(() => fixture.changes.length === 5)
    assert.deepEqual(
      fixture.changes.map(({ kind, object }) => `${kind} ${object}`),
      [
        'created TrowPolicy/a',
        'created TrowPolicy/b',
        'deleted TrowPolicy/a',
        'created TrowPolicy/c',
        'deleted TrowPolicy/b',
      ],
    )
    assert.deepEqual([keeper.status.ok, keeper.status.generation], [true, 5])
  })

  test('are on record for good: what cannot be recorded is tried again, a change and a rejection', async () => {
    await using fixture = new KeeperFixture()
    const recorded: string[] = []
    let isFull = true
    fixture.write('a.json', policyText('a'))
    const keeper = fixture.start(undefined, {
      record: (changes) => {
        if (isFull) return Promise.reject(new Error('the outbox is full'))
        recorded.push(...changes.map(({ kind, object }) => `${kind} ${object}`))
        return Promise.resolve()
      },
    })
    await until(() => keeper.status.ok)
    fixture.write('b.json', '{')
    await until(() => !keeper.status.ok)
    fixture.write('c.json', policyText('c'))
    await until(() => names(fixture.published.at(-1) ?? { policies: [] }) === 'a c', 1000)
    isFull = false
    await until(() => recorded.length > 0)
    assert.deepEqual(recorded, ['created TrowPolicy/a', 'rejected b.json', 'created TrowPolicy/c'])
  })

  test('count as in force only when every part that judges has them', async () => {
    await using fixture = new KeeperFixture()
    let isPublished = Promise.resolve()
    fixture.write('a.json', policyText('a'))
    const keeper = fixture.start(undefined, { publish: () => isPublished })
    await until(() => keeper.status.ok)
    const { promise, resolve } = Promise.withResolvers<void>()
    isPublished = promise
    fixture.write('b.json', policyText('b'))
    await until(() => keeper.status.units.length === 2)
    const { ok, generation } = keeper.status
    resolve()
    assert.deepEqual([ok, generation], [false, 1])
    await until(() => keeper.status.ok)
    assert.equal(keeper.status.generation, 2)
  })

  test('that a part has not confirmed are kept and recorded, and count as in force when it has', async () => {
    await using fixture = new KeeperFixture()
    const notes: (string | undefined)[] = []
    let missing: readonly string[] = ['worker 1', 'worker 2']
    fixture.write('a.json', policyText('a'))
    const keeper = fixture.start(undefined, {
      unconfirmed: () => Promise.resolve(missing),
      report: (outcomes) => notes.push(outcomes[0]?.note),
    })
    await until(() => fixture.changes.length === 1)
    const isIn = keeper.reaches(() => true, 20_000)
    assert.equal(await keeper.reaches(() => true, 50), false)
    const note = 'worker 1, worker 2 have not confirmed generation 1, and may still judge by an older one'
    assert.deepEqual([keeper.status.ok, keeper.status.notes], [false, [note]])
    assert.equal(notes.at(-1), note)
    fixture.write('b.json', policyText('b'))
    await until(() => fixture.published.at(-1)?.generation === 2, 1000)
    missing = ['worker 2']
    await until(() => keeper.status.notes[0]?.startsWith('worker 2 has not confirmed generation 2') === true)
    missing = []
    assert.equal(await isIn, true)
    assert.deepEqual([keeper.status.ok, keeper.status.notes], [true, []])
    assert.equal(notes.at(-1), undefined)
  })

  test('have a newer generation than those of a keeper before, which could keep nothing', async () => {
    await using fixture = new KeeperFixture()
    fixture.write('a.json', policyText('a'))
    fixture.start(undefined, { generation: 7 })
    await until(() => fixture.published.length === 1)
    assert.equal(fixture.published[0]?.generation, 8)
    await until(() => fixture.changes.length === 1)
    await fixture.stop()
    fixture.start(undefined, { generation: 8 })
    await until(() => fixture.published.length === 2)
    assert.equal(fixture.published[1]?.generation, 8, 'the same set, which was kept')
  })

  test('follow the links of a ConfigMap', async () => {
    await using fixture = new KeeperFixture()
    const version = (name: string): void => {
      mkdirSync(join(fixture.policies, `..${name}`))
      writeFileSync(join(fixture.policies, `..${name}`, 'p.yaml'), policyText(name))
      symlinkSync(`..${name}`, join(fixture.policies, '..data_tmp'))
      renameSync(join(fixture.policies, '..data_tmp'), join(fixture.policies, '..data'))
    }
    version('one')
    symlinkSync('..data/p.yaml', join(fixture.policies, 'p.yaml'))
    fixture.start()
    await until(() => fixture.published.length === 1)
    version('two')
    await until(() => names(fixture.published.at(-1) ?? { policies: [] }) === 'two', 1000)
  })

  test('stay as they were last good where a file is broken, and others change', async () => {
    await using fixture = new KeeperFixture()
    fixture.write('a.yaml', policyText('a'))
    const keeper = fixture.start()
    await until(() => fixture.published.length === 1)
    fixture.write('a.yaml', policyText('a').replace('enforce', 'enforced'))
    await until(() => fixture.changes.some(({ kind }) => kind === 'rejected'))
    assert.equal(
      fixture.changes.at(-1)?.problem,
      'a.yaml:1:100: spec.mode: must be enforce or warn or audit or off',
    )
    assert.equal(keeper.status.ok, false)
    assert.equal(fixture.published.length, 1)
    fixture.write('b.yaml', policyText('quarantine'))
    await until(() => fixture.published.length === 2, 1000)
    assert.equal(names(fixture.published[1] ?? { policies: [] }), 'a quarantine')
    fixture.write('a.yaml', policyText('a', { mode: 'warn' }))
    await until(() => fixture.published.length === 3, 1000)
    assert.equal(keeper.status.ok, true)
    rmSync(join(fixture.policies, 'a.yaml'))
    await until(() => names(fixture.published.at(-1) ?? { policies: [] }) === 'quarantine', 1000)
  })

  test('a name that two files have stays with the one that had it', async () => {
    await using fixture = new KeeperFixture()
    fixture.write('b.yaml', policyText('p', { mode: 'warn' }))
    const keeper = fixture.start()
    await until(() => fixture.published.length === 1)
    fixture.write('a.yaml', policyText('p'))
    await until(() => !keeper.status.ok)
    const [unit] = keeper.status.units.filter(({ problems }) => problems.length > 0)
    assert.equal(unit?.name, 'a.yaml')
    assert.equal(unit?.problems[0]?.message, 'metadata.name: there is another one named p, in b.yaml')
    assert.equal(unit?.problems[0]?.place?.line, 1)
    rmSync(join(fixture.policies, 'b.yaml'))
    await until(() => fixture.published.at(-1)?.policies[0]?.modes.pull === 'enforce', 1000)
  })

  test('nothing is in force until all is good, where nothing was', async () => {
    await using fixture = new KeeperFixture()
    fixture.write('a.yaml', policyText('a'))
    fixture.write('b.yaml', 'kind: [')
    const keeper = fixture.start()
    await until(() => fixture.changes.length === 1)
    assert.deepEqual(
      [fixture.published.length, keeper.status.generation, keeper.status.ok],
      [0, undefined, false],
    )
    fixture.write('b.yaml', policyText('b'))
    await until(() => fixture.published.length === 1, 1000)
  })

  test('a start with a broken file, or without the folder, uses what was last good', async () => {
    await using fixture = new KeeperFixture()
    fixture.write('a.yaml', policyText('a'))
    fixture.start()
    await until(() => fixture.changes.length === 1)
    await fixture.stop()
    fixture.write('a.yaml', 'kind: [')
    const broken = fixture.start()
    await until(() => fixture.published.length === 2)
    assert.equal(names(fixture.published[1] ?? { policies: [] }), 'a')
    assert.deepEqual([broken.status.generation, broken.status.ok], [1, false])
    await fixture.stop()
    rmSync(fixture.policies, { recursive: true })
    const missing = fixture.start()
    await until(() => fixture.published.length === 3)
    assert.deepEqual([missing.status.fromDisk, missing.status.ok], [true, false])
    assert.match(missing.status.away ?? '', /ENOENT/)
    mkdirSync(fixture.policies)
    fixture.write('a.yaml', policyText('b'))
    await until(() => names(fixture.published.at(-1) ?? { policies: [] }) === 'b', 1500)
    assert.equal(missing.status.fromDisk, false)
  })

  test('no folder and nothing that was last good: nothing is in force', async () => {
    await using fixture = new KeeperFixture()
    rmSync(fixture.policies, { recursive: true })
    const keeper = fixture.start()
    await until(() => keeper.status.away !== undefined)
    assert.equal(fixture.published.length, 0)
  })

  test('what was last good is dropped where it was damaged, and said', async () => {
    await using fixture = new KeeperFixture()
    fixture.write('a.yaml', policyText('a'))
    fixture.start()
    await until(() => fixture.changes.length === 1)
    await fixture.stop()
    const path = join(fixture.kept, 'last-good.json')
    writeFileSync(path, readFileSync(path, 'utf8').replace('enforce', 'forced'))
    fixture.write('a.yaml', 'kind: [')
    const keeper = fixture.start()
    await until(() => keeper.status.units.length === 1)
    assert.deepEqual([fixture.published.length, keeper.status.generation], [1, undefined])
  })

  test(
    'files that are none, or cannot be read, are problems of their own',
    { skip: process.getuid?.() === 0 && 'root reads all' },
    async () => {
      await using fixture = new KeeperFixture()
      fixture.write('a.yaml', policyText('a'))
      chmodSync(join(fixture.policies, 'a.yaml'), 0)
      const keeper = fixture.start()
      await until(() => keeper.status.units.length === 1)
      assert.match(keeper.status.units[0]?.problems[0]?.message ?? '', /^cannot be read: EACCES/)
    },
  )

  test('a folder named like a file, a link to nowhere and a file that is too large are problems', async () => {
    await using fixture = new KeeperFixture()
    mkdirSync(join(fixture.policies, 'a.yaml'))
    symlinkSync('nowhere', join(fixture.policies, 'b.yaml'))
    writeFileSync(join(fixture.policies, 'c.yaml'), ' '.repeat(4 * 1024 * 1024 + 1))
    writeFileSync(join(fixture.policies, '.d.yaml'), 'kind: [')
    const keeper = fixture.start()
    await until(() => keeper.status.units.length === 3)
    const messages = keeper.status.units.map(({ problems }) => problems[0]?.message ?? '')
    assert.match(messages[0] ?? '', /it is no file$/)
    assert.match(messages[1] ?? '', /ENOENT/)
    assert.match(messages[2] ?? '', /it has 4194305 bytes, and may have 4194304$/)
  })
})

suite('exceptions end for good', () => {
  const now = Date.parse('2026-11-23T00:00:00Z')
  const live = (fixture: KeeperFixture): number => fixture.published.at(-1)?.exceptions.length ?? -1

  async function started(fixture: KeeperFixture, clocks: SetClocks): Promise<void> {
    const before = fixture.published.length
    fixture.start(clocks)
    await until(() => fixture.published.length > before)
  }

  test('at their time, and not again when the clock is set back', async () => {
    await using fixture = new KeeperFixture()
    fixture.write('e.yaml', exceptionText('e', now + day))
    const clocks = new SetClocks(now)
    await started(fixture, clocks)
    assert.equal(live(fixture), 1)
    clocks.pass(day)
    await until(() => live(fixture) === 0)
    clocks.jump(-2 * day)
    fixture.write('other.yaml', policyText('p'))
    await until(() => fixture.published.length === 3)
    assert.equal(live(fixture), 0)
    await fixture.stop()
    await started(fixture, clocks)
    assert.equal(live(fixture), 0)
  })

  test('also by a clock that jumped ahead, and back; a new one is not judged by that jump', async () => {
    await using fixture = new KeeperFixture()
    fixture.write('e.yaml', exceptionText('e', now + day))
    const clocks = new SetClocks(now)
    await started(fixture, clocks)
    clocks.jump(3650 * day)
    await until(() => live(fixture) === 0)
    clocks.jump(-3650 * day)
    await fixture.stop()
    await started(fixture, clocks)
    assert.equal(live(fixture), 0)
    fixture.write('f.yaml', exceptionText('f', now + 2 * day))
    await until(() => live(fixture) === 1)
    assert.equal(fixture.published.at(-1)?.exceptions[0]?.name, 'f')
  })

  test('a clock that is set back over a restart gives none more time than the process before had left', async () => {
    await using fixture = new KeeperFixture()
    fixture.write('e.yaml', exceptionText('e', now + day))
    const clocks = new SetClocks(now)
    await started(fixture, clocks)
    clocks.pass(day - 1000)
    await fixture.stop()
    clocks.jump(-30 * day)
    await started(fixture, clocks)
    assert.equal(live(fixture), 1)
    clocks.pass(2000)
    await until(() => live(fixture) === 0)
  })

  test('one with a later end is another', async () => {
    await using fixture = new KeeperFixture()
    fixture.write('e.yaml', exceptionText('e', now - day))
    await started(fixture, new SetClocks(now))
    assert.equal(live(fixture), 0)
    fixture.write('e.yaml', exceptionText('e', now + day))
    await until(() => live(fixture) === 1)
  })
})
