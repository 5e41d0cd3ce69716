import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { compileFloor, floorLimits } from '../../src/policy/floor/compile-floor.ts'
import { hostKey } from '../../src/policy/floor/floor-keys.ts'
import { floorBindingObject, floorPolicyObject } from '../../src/policy/floor/floor-objects.ts'
import type { FloorParameters } from '../../src/policy/floor/floor-parameters.ts'
import { digest, exception, makePolicies, now, policy } from './fixtures.ts'

function compile(...documents: readonly object[]): FloorParameters {
  const compiled = compileFloor(makePolicies(documents), now)
  assert.ok(compiled.kind === 'compiled', JSON.stringify(compiled))
  return compiled.parameters
}

function problemOf(...documents: readonly object[]): string {
  const compiled = compileFloor(makePolicies(documents), now)
  assert.ok(compiled.kind === 'refused')
  return compiled.problems.join('\n')
}

const scopes = (count: number, make: (place: number) => string) =>
  Array.from({ length: count }, (_, place) => ({ scope: make(place), unverified: true }))
const many = (count: number, spec: object = {}) =>
  Array.from({ length: count }, (_, place) => policy({ ...spec }, `p${place}`))

suite('the floor', () => {
  test('rules are looked up by scope; requirements that are the same by name stand there once', () => {
    const { policies, requirements, domainDepths, pathDepths } = compile(
      policy({
        rules: [
          { scope: 'ghcr.io', unverified: true },
          { scope: '[2001:db8::1]:5000/app', require: { digest: true } },
          { scope: '*.a.corp.example:8443', require: { digest: true } },
          { scope: '@trow/prod/x', require: { present: true, tags: { deny: ['latest', '__proto__'] } } },
          { scope: '@trow/dev', require: { maxSize: '1GB', tags: { deny: ['__proto__', 'latest'] } } },
        ],
        deny: [
          { scope: 'ghcr.io/bad', reason: 'x' },
          { digest: digest('d'), reason: 'x' },
        ],
      }),
    )
    assert.deepEqual(policies[0]?.rules, {
      'ghcr.io': '',
      '[2001:db8:0:0:0:0:0:1]:5000/app': '0',
      '*.a.corp.example:8443': '0',
      '@trow/prod/x': '1',
      '@trow/dev': '1',
    })
    assert.deepEqual(Object.keys(requirements), ['0', '1'])
    assert.deepEqual(Object.keys(requirements['1']?.tags ?? {}), ['__proto__', 'latest'])
    assert.deepEqual(policies[0].deniedScopes, { 'ghcr.io/bad': '' })
    assert.deepEqual(policies[0].deniedDigests, { [digest('d')]: '' })
    assert.deepEqual([domainDepths, pathDepths], [[3], [2, 1, 0]])
  })

  test('policies that do not enforce are there for "no policy" alone, and those that are off are not', () => {
    const parameters = compile(
      policy({ mode: 'warn', rules: [{ scope: 'ghcr.io', unverified: true }] }, 'a'),
      policy({ mode: 'off' }, 'b'),
      policy({ mode: 'off', at: { admission: 'enforce' } }, 'c'),
    )
    assert.deepEqual(
      parameters.policies.map(({ id, name, enforce, rules }) => [id, name, enforce, rules]),
      [
        ['0', 'a', false, {}],
        ['1', 'c', true, {}],
      ],
    )
  })

  test('it binds where something enforces, or where what no policy judges is refused', () => {
    const isBinding = (noPolicy: 'allow' | 'deny', ...documents: object[]) => {
      const compiled = compileFloor(makePolicies(documents, { noPolicy }), now)
      return compiled.kind === 'compiled' && compiled.isBinding
    }
    assert.equal(isBinding('allow', policy({ mode: 'audit' })), false)
    assert.equal(isBinding('deny', policy({ mode: 'audit' })), true)
    assert.equal(isBinding('allow', policy({})), true)
  })

  test('namespaces: names are looked up, and patterns are one expression of whole names', () => {
    const [one, other] = compile(
      policy({ namespaces: { include: ['a', 'b-*', '*-c'], exclude: ['b-x'] } }, 'a'),
      policy({}, 'b'),
    ).policies
    assert.deepEqual(one?.include, { all: false, names: { a: '' }, pattern: '^(?:b-.*|.*-c)$' })
    assert.deepEqual(one.exclude, { all: false, names: { 'b-x': '' }, pattern: '^$' })
    assert.deepEqual(other?.include, { all: true, names: {}, pattern: '^$' })
  })

  test('exceptions are there until they end, which is when it has to be compiled anew', () => {
    const documents = [
      policy({}),
      exception({ images: [{ scope: 'ghcr.io' }, { digest: digest('b') }], overrideDeny: true }, 'e'),
      exception({ images: [{ scope: 'ghcr.io' }], policies: ['p', 'gone'], namespaces: ['a*'] }, 'f'),
      exception({ images: [{ scope: 'quay.io' }], expires: '2026-11-23T00:00:00Z' }, 'ended'),
      exception({ images: [{ scope: 'quay.io' }], policies: ['gone'] }, 'idle'),
    ]
    const compiled = compileFloor(makePolicies(documents), now)
    assert.ok(compiled.kind === 'compiled')
    const { exceptions, exceptedScopes, exceptedDigests } = compiled.parameters
    assert.deepEqual(exceptedScopes, { 'ghcr.io': '0 1' })
    assert.deepEqual(exceptedDigests, { [digest('b')]: '0' })
    assert.deepEqual(exceptions['0']?.overrideDeny, true)
    assert.deepEqual(exceptions['1']?.policies, { 0: '' })
    assert.equal(compiled.until, Date.parse('2026-12-01T00:00:00Z'))
    const later = compileFloor(makePolicies(documents), compiled.until ?? 0)
    assert.ok(later.kind === 'compiled' && later.until === undefined)
    assert.deepEqual(later.parameters.exceptions, {})
  })

  test('what the API server cannot keep is refused in words that name the policy, and nothing is cut', () => {
    const wide = scopes(6000, (place) => `a${place}.example/${'x'.repeat(190)}`)
    assert.match(
      problemOf(policy({ rules: wide.slice(0, 5500) }, 'large'), policy({ rules: wide }, 'larger')),
      /^the 2 policies that enforce at admission, and the exceptions, have 2\d{6} bytes together, and an object of the API server may have 1500000: most are of larger \(\d+\), large \(\d+\), the exceptions/,
    )
    const rules = scopes(10_000, (place) => `a${place}.example`)
    assert.match(
      problemOf(...many(3, { rules }), policy({ rules: rules.slice(0, 1) }, 'last')),
      /^the policies .* have 30001 scopes and digests together, and the floor takes 30000: most are of p0 \(10000\), p1/,
    )
    assert.match(problemOf(...many(51)), /^51 policies judge at admission, and the floor takes 50$/)
    const deep = scopes(10, (place) => `*.${'a.'.repeat(place)}corp.example/${'x/'.repeat(place)}x`)
    assert.match(
      problemOf(policy({ rules: deep })),
      /^the scopes have 10 different depths of \*\. domains and 10 of paths, which makes 110 comparisons/,
    )
    assert.match(
      problemOf(...many(40), policy({ rules: deep.slice(0, 8) }, 'deep')),
      /^41 policies and scopes of 72 different depths make 2952 comparisons for a name, and the floor takes 2500$/,
    )
    const include = Array.from({ length: 900 }, (_, place) => `*${place}`.padEnd(62, 'x'))
    assert.match(
      problemOf(...many(4, { namespaces: { include } })),
      /^the patterns for namespaces have \d+ characters together, and the floor takes 200000: most are of p0$/,
    )
    const excepted = Array.from({ length: 11 }, (_, place) =>
      exception(
        { images: [{ scope: 'ghcr.io' }], policies: many(50).map((_, each) => `p${each}`) },
        `e${place}`,
      ),
    )
    assert.match(
      problemOf(...many(50), ...excepted),
      /^the exceptions for ghcr\.io name 550 policies together, and the floor takes 500$/,
    )
    const namespaces = include.slice(0, 40)
    assert.match(
      problemOf(policy({}), exception({ images: [{ digest: digest('a') }], namespaces })),
      /^the patterns for namespaces of the exceptions for sha256:a+ have \d+ characters, and the floor takes 2000$/,
    )
  })

  test('10,000 rules, 5,000 denied scopes and 5,000 denied digests of one policy fit', () => {
    const hex = (place: number) => place.toString(16).padStart(64, '0')
    const parameters = compile(
      policy({
        rules: scopes(10_000, (place) => `registry${place % 9}.corp.example/team${place}`),
        deny: [
          ...scopes(5000, (place) => `evil.example/x${place}`).map(({ scope }) => ({ scope, reason: 'x' })),
          ...Array.from({ length: 5000 }, (_, place) => ({ digest: `sha256:${hex(place)}`, reason: 'x' })),
        ],
      }),
    )
    assert.ok(JSON.stringify(parameters).length < floorLimits.bytes)
  })

  test('the policy is the same whatever the policies are, fails closed, and fits into the limits of CEL', () => {
    const { spec } = floorPolicyObject(['trow', 'kube-system'])
    const { variables, validations, failurePolicy } = spec as {
      variables: { name: string; expression: string }[]
      validations: { expression: string; messageExpression: string }[]
      failurePolicy: string
    }
    assert.equal(failurePolicy, 'Fail')
    for (const { expression } of [...variables, ...validations]) assert.ok(expression.length < 10_000)
    assert.ok(JSON.stringify(spec).length < 20_000)
    const known = new Set<string>()
    for (const { name, expression } of variables) {
      for (const [, used = ''] of expression.matchAll(/variables\.([a-zA-Z]+)/g))
        assert.ok(known.has(used), used)
      known.add(name)
    }
  })

  test('without its parameters it refuses', () => {
    assert.deepEqual(floorBindingObject().spec, {
      policyName: 'trow-floor',
      paramRef: { name: 'trow', parameterNotFoundAction: 'Deny' },
      validationActions: ['Deny', 'Audit'],
    })
  })

  test('an IPv6 host has one key', () => {
    for (const [host, key] of [
      ['[::]', '[0:0:0:0:0:0:0:0]'],
      ['[::1]:5000', '[0:0:0:0:0:0:0:1]:5000'],
      ['[2001:db8::1:0]', '[2001:db8:0:0:0:0:1:0]'],
      ['[1:2:3:4:5:6:7:8]', '[1:2:3:4:5:6:7:8]'],
      ['[1::]', '[1:0:0:0:0:0:0:0]'],
      ['ghcr.io:5000', 'ghcr.io:5000'],
    ] as const)
      assert.equal(hostKey(host), key)
  })
})
