import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { printPath } from '../../src/policy/load-problem.ts'
import { lintPolicies } from '../../src/policy/lint.ts'
import { loadPolicyDocuments } from '../../src/policy/policy-documents.ts'
import { digest, exception, loading, now, policy } from './fixtures.ts'

function lint(...documents: readonly unknown[]): string[] {
  const loaded = loadPolicyDocuments(documents, loading)
  assert.deepEqual(loaded.problems, [])
  return lintPolicies(loaded, now).map(
    ({ kind, name, path, message }) => `${kind} ${name} ${printPath(path)}: ${message}`,
  )
}

const own = { scope: '@trow', unverified: true }
const rules = (...scopes: string[]): object[] => [
  own,
  ...scopes.map((scope) => ({ scope, unverified: true })),
]

suite('lint of policies', () => {
  test('nothing is found where nothing is odd', () => {
    const fine = policy({
      rules: [
        ...rules(
          'docker.io/library/nginx',
          'docker.io/acme',
          'ghcr.io',
          'quay.io/nginx',
          'docker.io/acme2/nginx',
          'docker.io',
        ),
        { scope: '*', require: { digest: true } },
      ],
      deny: [{ scope: 'ghcr.io/acme', reason: 'x' }],
      namespaces: { include: ['*'] },
    })
    assert.deepEqual(lint(fine, exception({ images: [{ scope: '*' }] })), [])
    assert.deepEqual(lint(policy({ default: 'pass', deny: [{ digest: digest('a'), reason: 'x' }] })), [])
    assert.deepEqual(
      lint(policy({ default: 'pass', rules: [{ scope: 'ghcr.io', require: { digest: true } }] })),
      [],
    )
    assert.deepEqual(lint(policy({ namespaces: { include: ['a-*'], exclude: ['a-b'] } })), [])
  })

  test('a policy that refuses nothing', () => {
    const message =
      'TrowPolicy p spec.default: the policy refuses nothing: it passes what no rule covers, and requires and denies nothing'
    assert.deepEqual(lint(policy({ default: 'pass' })), [message])
    assert.deepEqual(lint(policy({ default: 'pass', rules: rules('ghcr.io') })), [message])
  })

  test('patterns that exclude namespaces which tenants make', () => {
    assert.deepEqual(lint(policy({ namespaces: { exclude: ['sandbox-*'] } })), [
      'TrowPolicy p spec.namespaces.exclude: whoever may make a namespace may make one that a pattern excludes',
    ])
  })

  test('pushes to the registry itself that are refused', () => {
    const found = ['TrowPolicy p spec.rules: no rule covers @trow: every push to this registry is refused']
    assert.deepEqual(lint(policy({ rules: [{ scope: 'ghcr.io', unverified: true }] })), found)
    for (const fine of [
      { at: { push: 'off' } },
      { mode: 'audit' },
      { rules: [{ scope: '*', require: { digest: true } }] },
      { rules: [{ scope: '@trow/prod', unverified: true }] },
    ])
      assert.deepEqual(lint(policy(fine)), [])
    for (const scope of ['@trow', '*'])
      assert.deepEqual(lint(policy({ default: 'pass', deny: [{ scope, reason: 'x' }] })), [
        'TrowPolicy p spec.deny[0].scope: denies all of @trow: every push to this registry is refused',
      ])
    for (const fine of [{ mode: 'warn' }, { deny: [{ scope: '@trow/bad', reason: 'x' }] }])
      assert.deepEqual(
        lint(policy({ default: 'pass', deny: [{ scope: '@trow', reason: 'x' }], ...fine })),
        [],
      )
  })

  test('rules that a denied scope leaves nothing of', () => {
    const denying = (denied: string, scope: string): number =>
      lint(policy({ rules: rules(scope), deny: [{ scope: denied, reason: 'x' }] })).length
    assert.deepEqual(
      lint(policy({ rules: rules('ghcr.io/acme/app'), deny: [{ scope: 'ghcr.io/acme', reason: 'x' }] })),
      ['TrowPolicy p spec.rules[1].scope: nothing reaches the rule: ghcr.io/acme is denied'],
    )
    assert.equal(denying('ghcr.io/acme', 'ghcr.io/acme'), 1)
    assert.equal(denying('*.corp.example', 'a.corp.example/x'), 1)
    assert.equal(denying('*.corp.example', '*.corp.example/x'), 1)
    assert.equal(denying('*.corp.example', '*.b.corp.example'), 1)
    assert.equal(denying('*.b.corp.example', '*.corp.example'), 0)
    assert.equal(denying('ghcr.io/acme', 'ghcr.io'), 0)
    assert.equal(denying('ghcr.io/acme', 'ghcr.io/acmex'), 0)
    assert.equal(denying('*', 'ghcr.io'), 3)
  })

  test('a rule for everything, and an organisation that is no image', () => {
    assert.deepEqual(lint(policy({ rules: rules('*', 'docker.io/nginx') })), [
      'TrowPolicy p spec.rules[1].scope: the rule accepts every image of every registry that no other rule covers',
      'TrowPolicy p spec.rules[2].scope: means an organisation named nginx: the image is docker.io/library/nginx',
    ])
  })

  test('exceptions that lift nothing, or less than they seem to', () => {
    const base = policy({ rules: [own] })
    const images = [{ scope: '*' }]
    assert.deepEqual(lint(base, exception({ images, expires: new Date(now).toISOString() })), [
      'TrowException e spec.expires: it has expired, and lifts nothing',
    ])
    assert.deepEqual(lint(base, exception({ images, expires: new Date(now + 1).toISOString() })), [])
    assert.deepEqual(lint(base, exception({ images, policies: ['p', 'q'] })), [
      'TrowException e spec.policies[1]: there is no policy named q here',
    ])
    const limited = exception({ images, namespaces: ['a'] })
    assert.deepEqual(lint(base, limited), [
      'TrowException e spec.namespaces: p also judges pulls, where no namespace is known: the exception lifts nothing there',
    ])
    assert.deepEqual(lint(policy({ rules: [own], at: { pull: 'off' } }), limited), [])
  })
})
