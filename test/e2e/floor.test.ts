import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import fc from 'fast-check'
import { floorParameters } from '../../src/policy/floor/floor-parameters.ts'
import { exception, makeSet, now, policiesOf, policy, questions, settings } from '../policy/fixtures.ts'
import { anyName, anyScope } from '../policy/generators.ts'
import { apiServerProblem } from '../support/api-server.ts'
import type { FloorDoor } from './floor-door.ts'
import { excludedNamespaces, FloorCluster } from './floor-fixture.ts'
import { byName, tableQuestions } from './table-questions.ts'

suite('the floor of a real API server, with no trow anywhere', { skip: apiServerProblem() }, () => {
  let cluster: FloorCluster
  let door: FloorDoor

  before(async () => {
    cluster = await FloorCluster.start()
    door = cluster.door
    await door.install(excludedNamespaces)
  })
  after(() => cluster.close())

  test('it answers every question of the tables as the judge does by name', async () => {
    const sets = Map.groupBy(
      tableQuestions(),
      ({ set, now: at }) => `${JSON.stringify(floorParameters(policiesOf(set), at))} ${at}`,
    )
    let [rows, refused] = [0, 0]
    for (const group of sets.values()) {
      const [one] = group
      assert.ok(one !== undefined)
      await door.put(policiesOf(one.set), one.now)
      await Promise.all(
        group.map(async (question) => {
          const { namespace, name } = question
          const expected = byName(question)
          const answer = await door.ask({ containers: [name] }, namespace)
          rows++
          if (answer !== 'allow') refused++
          assert.equal(
            answer === 'allow',
            expected === 'allow',
            `${name} in ${namespace}: ${expected}, ${answer}`,
          )
        }),
      )
    }
    console.log(`rows ${rows}, refused by the floor ${refused}, admitted although the judge refuses (0)`)
    assert.ok(rows > 400 && refused > 200, `${rows} ${refused}`)
  })

  test('it answers for any names and policies as the judge does by name', async () => {
    let [rows, refused] = [0, 0]
    await fc.assert(
      fc.asyncProperty(
        anyDocuments,
        fc.array(anyName, { minLength: 12, maxLength: 12 }),
        async (documents, names) => {
          const set = makeSet(documents)
          await door.put(policiesOf(set), now)
          await Promise.all(
            [...new Set(names)].map(async (name) => {
              const expected = byName({ set, now, namespace: 'default', name })
              const answer = await door.ask({ containers: [name] })
              rows++
              if (answer !== 'allow') refused++
              assert.equal(answer === 'allow', expected === 'allow', `${name}: ${expected}, ${answer}`)
            }),
          )
        },
      ),
      { numRuns: 40, seed: 1 },
    )
    assert.ok(refused > 100 && rows - refused > 100, `${rows} ${refused}`)
  })

  test('it reads names as the judge does, whatever they are', async () => {
    const scopes = [
      '[2001:db8::1]:5000',
      '[::ffff:102:304]',
      '1.2.3.4',
      '*.corp.example',
      'docker.io/library',
      '@trow',
    ]
    const set = makeSet([policy({ rules: scopes.map((scope) => ({ scope, unverified: true })) })])
    const ownHosts = new Set([...settings.ownHosts, 'trow.example', '[2001:db8::5]:5000'])
    // The first policy allows all names, so that only a wrong form is refused. The second allows Docker Hub, which must not be
    // confused with a host.
    const all = makeSet([policy({ default: 'pass' })], { ownHosts })
    const hub = makeSet([policy({ rules: [{ scope: 'docker.io', unverified: true }] })])
    const strict = makeSet([policy({ default: 'pass' })], { shortNames: 'deny' })
    const told = questions.flatMap(({ images }) => images.map(({ name }) => name))
    const names = [
      ...new Set([
        ...told.filter((name) => typeof name === 'string'),
        'trow.example/f/trow.example/x',
        'trow.example/f/x.trow.example/x',
        '[2001:DB8:0::5]:5000/f/localhost/x',
        ...fc.sample(hostileName, { numRuns: 700, seed: 7 }),
      ]),
    ]
    let [read, allowed] = [0, 0]
    for (const each of [set, all, hub, strict]) {
      await door.put(policiesOf(each), now)
      for (let at = 0; at < names.length; at += 20)
        await Promise.all(
          names.slice(at, at + 20).map(async (name) => {
            const expected = byName({ set: each, now, namespace: 'default', name })
            const answer = await door.ask({ containers: [name] })
            if (answer === 'allow') allowed++
            if (!expected.startsWith('REF')) read++
            assert.equal(answer === 'allow', expected === 'allow', `${name}: ${expected}, ${answer}`)
          }),
        )
    }
    assert.ok(read > 500 && allowed > 400 && read < names.length * 3, `${names.length} ${read} ${allowed}`)
  })
})

const group = fc.constantFrom('0', '1', 'db8', '0db8', 'DB8', '00001', 'ffff', '0000', '102', '2001', 'g')
const anyAddress = fc
  .tuple(
    fc.array(group, { maxLength: 8 }),
    fc.constantFrom('::', '::', ':', ':::'),
    fc.array(group, { maxLength: 8 }),
  )
  .map(([left, middle, right]) => `[${left.join(':')}${middle}${right.join(':')}]`)
const knownAddress = fc.constantFrom(
  '[2001:db8::1]',
  '[2001:DB8:0:0::0:1]',
  '[2001:0db8:0:0:0:0:0:1]',
  '[2001:db8::1:0]',
  '[::ffff:102:304]',
  '[0:0:0:0:0:ffff:0102:0304]',
  '[1:2:3:4:5:6:7::]',
  '[1:2:3:4:5:6:7:8::]',
  '[::]',
  '[::1:2:3:4:5:6:7]',
)
const label = fc.constantFrom(
  'a',
  'corp',
  'example',
  '1',
  '0',
  '255',
  '256',
  '01',
  '0x1',
  '0x',
  'A',
  'b-c',
  '-a',
  'x_y',
  'localhost',
)
const anyHost = fc.oneof(
  { weight: 2, arbitrary: fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join('.')) },
  anyAddress,
  knownAddress,
  fc.constantFrom(
    '1.2.3.4',
    'a.corp.example',
    'trow.local:31000',
    'trow.local:31000/f/a.corp.example',
    'trow.local:31000/f/1.2.3',
  ),
)
const anyPort = fc.constantFrom(
  '',
  '',
  ':443',
  ':5000',
  ':05000',
  ':0',
  ':65535',
  ':65536',
  ':99999',
  ':123456',
  ':',
)
const plainName = fc
  .tuple(
    anyHost,
    anyPort,
    fc.constantFrom('/x', '/library/x', '/a/b/c', '/x:v1', '', '/', `/x@sha256:${'a'.repeat(64)}`),
  )
  .map((parts) => parts.join(''))
/** Returns names with one character inserted, removed or replaced. */
const hostileName = fc.oneof(
  plainName,
  fc
    .tuple(
      fc.oneof(plainName, anyName),
      fc.nat(),
      fc.constantFrom(...Array.from('/:@.[]-_A0~%é\n'), ''),
      fc.nat({ max: 1 }),
    )
    .map(([name, place, character, removed]) => {
      const at = place % (name.length + 1)
      return name.slice(0, at) + character + name.slice(at + removed)
    }),
)

const policyNames = ['p', 'q'] as const
const anyRule = fc.oneof(
  anyScope.map((scope) => ({ scope, unverified: true })),
  anyScope.map((scope) => ({ scope, require: { digest: true } })),
  anyScope.map((scope) => ({ scope, require: { tags: { deny: ['latest'] } } })),
)
const anyPolicy = fc.record({
  default: fc.constantFrom('deny', 'pass'),
  mode: fc.constantFrom('enforce', 'enforce', 'enforce', 'warn'),
  namespaces: fc.constantFrom(undefined, undefined, { include: ['def*'] }, { exclude: ['default'] }),
  rules: fc.uniqueArray(anyRule, { maxLength: 5, selector: ({ scope }) => scope }),
  deny: fc.uniqueArray(
    fc.oneof(
      anyScope.map((scope) => ({ scope, reason: 'x' })),
      fc.constant({ digest: `sha256:${'a'.repeat(64)}`, reason: 'x' }),
    ),
    { maxLength: 2, selector: (entry) => JSON.stringify(entry) },
  ),
})
const anyException = fc.record({
  images: fc.uniqueArray(
    fc.oneof(
      anyScope.map((scope) => ({ scope })),
      fc.constant({ digest: `sha256:${'b'.repeat(64)}` }),
    ),
    { minLength: 1, maxLength: 2, selector: (entry) => JSON.stringify(entry) },
  ),
  policies: fc.uniqueArray(fc.constantFrom(...policyNames), { minLength: 1 }),
  namespaces: fc.constantFrom(['*'], ['default'], ['other', 'd*t'], ['other']),
  overrideDeny: fc.boolean(),
})
const anyDocuments = fc
  .tuple(fc.array(anyPolicy, { minLength: 1, maxLength: 2 }), fc.array(anyException, { maxLength: 2 }))
  .map(([policies, exceptions]) => [
    ...policies.map(({ namespaces, ...spec }, place) =>
      policy({ ...spec, ...(namespaces === undefined ? {} : { namespaces }) }, policyNames[place]),
    ),
    ...exceptions.map((spec, place) => exception(spec, `e${place}`)),
  ])
