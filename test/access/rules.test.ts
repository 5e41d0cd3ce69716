import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { actions, anonymous, type Principal } from '../../src/access/principal.ts'
import { defaultRules, Rules, type AccessRule } from '../../src/access/rules.ts'
import { lintRules } from '../../src/access/rules-lint.ts'
import { parseRepositoryName, type RepositoryName } from '../../src/oci/repository-name.ts'

const name = parseRepositoryName
const alice: Principal = { kind: 'password', name: 'alice', groups: [], reviewable: false }
const builder: Principal = {
  kind: 'kubernetes',
  name: 'system:serviceaccount:team-a:builder',
  groups: ['system:serviceaccounts', 'system:serviceaccounts:team-a', 'system:authenticated'],
  reviewable: true,
}
const node: Principal = {
  kind: 'certificate',
  name: 'system:node:n1',
  groups: ['system:nodes'],
  reviewable: true,
}
const workload: Principal = {
  kind: 'oidc',
  name: 'oidc:repo:acme/app:ref:refs/heads/main',
  groups: ['oidc:ci'],
  reviewable: true,
}
const robot: Principal = {
  kind: 'robot',
  name: 'robot+ci',
  groups: [],
  reviewable: false,
  scope: [{ repositories: ['team-a/**'], actions: ['pull', 'push'] }],
}
const everyone = [alice, builder, node, workload, robot, anonymous]

const words = fc.constantFrom(
  'users',
  'robots',
  'nodes',
  'authenticated',
  'anonymous',
  'alice',
  '*',
  'al*',
  'system:*',
  'system:serviceaccount:*:builder',
  'system:anonymous',
  'oidc:*/app:*',
  'group:*',
  'group:system:*',
  'group:system:nodes',
  'group:oidc:ci',
  'robot+*',
)
const repositories = ['app', 'team-a/app', 'team-a/b/app', 'team-b/app'].map(name)
const rule: fc.Arbitrary<AccessRule> = fc.record({
  who: fc.uniqueArray(words, { minLength: 1, maxLength: 3 }),
  repositories: fc.uniqueArray(
    fc.constantFrom('**', '*', 'team-a/**', 'team-a/*', 'team-*/app', '**/app', 'app', 'team-a/app'),
    { minLength: 1, maxLength: 2 },
  ),
  actions: fc.uniqueArray(fc.constantFrom(...actions), { minLength: 1, maxLength: 3 }),
  deny: fc.boolean(),
})
const ruleSet = fc.array(rule, { maxLength: 6 })
const longRuleSet = fc.array(rule, { minLength: 6, maxLength: 12 })

/** Every possible question, so that a property holds for all of them. */
function* questions(): Generator<[Principal, (typeof actions)[number], RepositoryName]> {
  for (const principal of everyone)
    for (const action of actions) for (const repository of repositories) yield [principal, action, repository]
}

suite('rules', () => {
  test('each word of who names those it should and nobody else', () => {
    const rows: [string, Principal[]][] = [
      ['users', [alice]],
      ['robots', []], // A robot's scope decides, no rule adds to it.
      ['nodes', [node]],
      ['authenticated', [alice, builder, node, workload]],
      ['anonymous', [anonymous]],
      ['system:anonymous', [anonymous]],
      ['group:system:unauthenticated', [anonymous]],
      ['alice', [alice]],
      ['*', [alice, builder, node, workload]],
      ['group:system:nodes', [node]],
      ['group:system:serviceaccounts:*', [builder]],
      ['system:serviceaccount:team-a:*', [builder]],
      ['oidc:repo:acme/*', [workload]],
      ['Alice', []],
    ]
    for (const [who, expected] of rows) {
      const rules = new Rules([{ who: [who], repositories: ['**'], actions: ['pull'] }])
      const allowed = everyone.filter(
        (each) => each !== robot && rules.decide(each, 'pull', name('a')).kind === 'allowed',
      )
      assert.deepEqual(allowed, expected, who)
    }
  })

  test('nothing is allowed that no rule allows, and the reason names the rule', () => {
    const rules = new Rules([
      { who: ['alice'], repositories: ['team-a/**'], actions: ['pull'] },
      { who: ['alice'], repositories: ['team-a/secret'], actions: ['pull'], deny: true },
    ])
    assert.deepEqual(rules.decide(alice, 'pull', name('team-a/app')), {
      kind: 'allowed',
      reason: 'rule 1 allows alice pull on team-a/**',
      rule: 0,
    })
    assert.equal(rules.decide(alice, 'pull', name('team-a/secret')).kind, 'denied')
    assert.equal(rules.decide(alice, 'push', name('team-a/app')).kind, 'silent')
    assert.equal(rules.decide(alice, 'pull', name('team-b/app')).kind, 'silent')
    for (const question of questions())
      assert.notEqual(new Rules([]).decide(...question).kind, question[0] === robot ? 'silent' : 'allowed')
  })

  test('a robot may do what its scope says, whatever rules allow, and less where a rule denies', () => {
    const rules = new Rules([
      { who: ['robots', 'robot+ci'], repositories: ['**'], actions },
      { who: ['robots'], repositories: ['team-a/secret'], actions: ['push'], deny: true },
    ])
    assert.equal(rules.decide(robot, 'push', name('team-a/app')).kind, 'allowed')
    assert.equal(rules.decide(robot, 'push', name('team-a/secret')).kind, 'denied')
    assert.equal(rules.decide(robot, 'push', name('team-b/app')).kind, 'denied')
    assert.equal(rules.decide(robot, 'delete', name('team-a/app')).kind, 'denied')
  })

  test('without rules of ones own only password users may do anything', () => {
    const rules = new Rules(defaultRules)
    for (const question of questions()) {
      const { kind } = rules.decide(...question)
      if (question[0] === alice) assert.equal(kind, 'allowed')
      else if (question[0] !== robot) assert.equal(kind, 'silent')
    }
  })

  test('a deny rule wins wherever it stands', () => {
    fc.assert(
      fc.property(ruleSet, rule, fc.nat(), (rules, denying, at) => {
        const deny = { ...denying, deny: true }
        const alone = new Rules([deny])
        const all = new Rules(rules.toSpliced(at % (rules.length + 1), 0, deny))
        for (const question of questions())
          if (alone.decide(...question).reason.startsWith('rule'))
            assert.equal(all.decide(...question).kind, 'denied')
      }),
    )
  })
})

suite('the lint of rules', () => {
  const messages = (...rules: AccessRule[]): string[] => lintRules(rules).map(({ message }) => message)

  test('a rule that is called shadowed or unreachable decides nothing', () => {
    let covered = 0
    fc.assert(
      fc.property(longRuleSet, (rules) => {
        for (const { message, rule: place } of lintRules(rules)) {
          if (!/shadowed|unreachable/.test(message)) continue
          covered++
          const [all, without] = [new Rules(rules), new Rules(rules.toSpliced(place, 1))]
          for (const question of questions())
            assert.equal(all.decide(...question).kind, without.decide(...question).kind, message)
        }
      }),
      { numRuns: 1500 },
    )
    assert.ok(covered > 100)
  })

  test('covered rules are found', () => {
    const wide: AccessRule = {
      who: ['authenticated'],
      repositories: ['team-a/**'],
      actions: ['pull', 'list'],
    }
    const narrow: AccessRule = { who: ['alice', 'users'], repositories: ['team-a/app'], actions: ['pull'] }
    assert.match(messages(wide, narrow).join(), /shadowed: rule 1 decides/)
    assert.deepEqual(messages(narrow, wide), [])
    assert.match(messages(narrow, { ...wide, deny: true }).join(), /unreachable: rule 2 denies/)
    assert.match(messages({ ...wide, deny: true }, { ...narrow, deny: true }).join(), /shadowed/)
    const halves = narrow.who.map((who) => ({ ...narrow, who: [who] }))
    assert.match(messages(...halves, narrow).join(), /shadowed: rules 1, 2 decide/)
  })

  test('what can match nothing, and what is likely not meant, is said', () => {
    const one = (given: Partial<AccessRule>): string =>
      messages({ who: ['alice'], repositories: ['app'], actions: ['pull'], ...given }).join('\n')
    assert.equal(one({}), '')
    assert.match(one({ actions: ['write' as never] }), /no action "write"/)
    assert.match(one({ repositories: ['Team/*'] }), /"Team\/\*" matches nothing/)
    assert.match(one({ who: [] }), /"who" is empty/)
    assert.match(one({ who: ['user'] }), /"users" may be meant/)
    assert.match(one({ who: ['group:'] }), /names nobody/)
    assert.match(one({ actions: ['push'] }), /push without pull/)
    assert.match(one({ who: ['anonymous'], actions: ['pull', 'push'] }), /without any credential/)
    assert.equal(one({ who: ['*'], deny: true }), '')
    assert.match(
      one({ who: ['authenticated'], deny: true }),
      /leaves out the anonymous caller; "\*" denies all/,
    )
    const lone = lintRules(
      [{ who: ['system:node:n1', 'group:dev'], repositories: ['**'], actions: ['pull'] }],
      {
        cluster: false,
        oidcPrefixes: [],
      },
    )
    assert.equal(lone.length, 2)
  })
})

suite('rules for service accounts', () => {
  const rules = new Rules([
    { who: ['service-accounts'], repositories: ['{namespace}/**'], actions: ['pull'] },
    { who: ['service-accounts'], repositories: ['{namespace}/secret'], actions: ['pull'], deny: true },
  ])
  const pulls = (principal: Principal, repository: string): string =>
    rules.decide(principal, 'pull', name(repository)).kind

  test('{namespace} is the namespace of the one who asks', () => {
    assert.equal(pulls(builder, 'team-a/app'), 'allowed')
    assert.equal(pulls(builder, 'team-a/b/app'), 'allowed')
    assert.equal(pulls(builder, 'team-a/secret'), 'denied')
    assert.equal(pulls(builder, 'team-b/app'), 'silent')
    assert.equal(pulls(builder, 'team-ab/app'), 'silent')
    assert.equal(rules.decide(builder, 'push', name('team-a/app')).kind, 'silent')
  })

  test('only the cluster says who is a service account', () => {
    for (const kind of ['certificate', 'oidc', 'password'] as const)
      assert.equal(pulls({ ...builder, kind }, 'team-a/app'), 'silent')
    assert.equal(pulls(anonymous, 'team-a/app'), 'silent')
    assert.equal(pulls({ ...builder, name: 'system:serviceaccount:team-*:builder' }, 'team-a/app'), 'silent')
  })
})
