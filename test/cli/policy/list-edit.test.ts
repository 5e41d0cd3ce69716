import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { UserError } from '../../../src/user-error.ts'
import {
  allowed,
  denied,
  denyingPolicy,
  parseTarget,
  policyShapeOf,
  undenied,
  type ListEdit,
  type PolicyShape,
} from '../../../src/cli/policy/list-edit.ts'

const digest = `sha256:${'a'.repeat(64)}`
const policy = (spec: object): PolicyShape => {
  const document = { ...denyingPolicy('p'), spec: { mode: 'enforce', default: 'deny', ...spec } }
  return policyShapeOf(document, 'p')
}
const specOf = (edit: ListEdit): unknown => (edit.kind === 'changed' ? edit.policy.spec : edit.why)
const reason = { reason: 'r', fix: undefined }
const codeIs = (code: string) => (error: unknown) => error instanceof UserError && error.code === code

suite('an edit of the deny list', () => {
  test('adds, replaces what is said of it, and does nothing twice', () => {
    const deny = [{ scope: 'quay.io', reason: 'old' }]
    assert.deepEqual(specOf(denied(policy({ deny }), parseTarget(digest), { reason: 'r', fix: 'f' })), {
      mode: 'enforce',
      default: 'deny',
      deny: [...deny, { digest, reason: 'r', fix: 'f' }],
    })
    assert.deepEqual(specOf(denied(policy({ deny }), parseTarget('quay.io'), reason)), {
      mode: 'enforce',
      default: 'deny',
      deny: [{ scope: 'quay.io', reason: 'r' }],
    })
    const same = denied(policy({ deny }), parseTarget('quay.io'), { reason: 'old', fix: undefined })
    assert.equal(specOf(same), 'denies quay.io already')
  })

  test('takes one off, and leaves the others and whatever else the policy has', () => {
    const other = { scope: 'quay.io', reason: 'r', fix: 'f' }
    const given = policy({ onError: 'allow', deny: [{ digest, reason: 'r' }, other] })
    assert.deepEqual(specOf(undenied(given, parseTarget(digest))), {
      mode: 'enforce',
      default: 'deny',
      onError: 'allow',
      deny: [other],
    })
    assert.equal(specOf(undenied(policy({}), parseTarget(digest))), `does not deny ${digest}`)
  })
})

suite('to allow a scope', () => {
  const rules = [{ scope: 'docker.io/library', unverified: true }]
  const added = (scope: string, spec: object): unknown => {
    const made = allowed(policy(spec), parseTarget(scope), 'p')
    return made.kind === 'changed' ? [made.policy.spec.deny, made.policy.spec.rules] : made.why
  }

  test('adds a rule by which its name is enough, where nothing allows it yet', () => {
    assert.deepEqual(added('quay.io/a', { rules }), [undefined, [...rules, { scope: 'quay.io/a', unverified: true }]]) // prettier-ignore
    assert.equal(added('docker.io/library', { rules }), 'allows docker.io/library already')
    assert.equal(added('docker.io/library/nginx', { rules }), 'allows docker.io/library/nginx already')
    assert.equal(added('quay.io', { default: 'pass' }), 'allows quay.io already')
    assert.equal(added('quay.io', { rules: [{ scope: '*', unverified: true }] }), 'allows quay.io already')
    const wide = { scope: 'ghcr.io', require: { digest: true } }
    assert.deepEqual(added('ghcr.io/acme', { default: 'pass', rules: [wide] }), [undefined, [wide, { scope: 'ghcr.io/acme', unverified: true }]]) // prettier-ignore
  })

  test('takes it off the deny list, and that is all where something allows it', () => {
    const deny = [{ scope: 'docker.io/library', reason: 'r' }]
    assert.deepEqual(added('docker.io/library', { deny, rules }), [[], rules])
    assert.deepEqual(added('docker.io/library', { deny }), [[], [{ scope: 'docker.io/library', unverified: true }]]) // prettier-ignore
    assert.deepEqual(added(digest, { deny: [{ digest, reason: 'r' }] }), [[], undefined])
  })

  const useless: readonly (readonly [what: string, target: string, spec: object])[] = [
    ['below a denied scope', 'docker.io/library', { deny: [{ scope: 'docker.io', reason: 'r' }] }],
    ['below a denied domain', 'a.b.example', { deny: [{ scope: '*.b.example', reason: 'r' }] }],
    ['where everything is denied', 'quay.io', { deny: [{ scope: '*', reason: 'r' }] }],
    ['with a rule that requires', 'ghcr.io', { rules: [{ scope: 'ghcr.io', require: { digest: true } }] }],
    ['a digest that is not denied', digest, {}],
  ]
  for (const [what, target, spec] of useless)
    test(`is refused where it would allow nothing: ${what}`, () => {
      assert.throws(() => allowed(policy(spec), parseTarget(target), 'p'), codeIs('POLICY_NO_EFFECT'))
    })
})

test('what stands in no list is refused with what to write', () => {
  for (const text of [
    'nginx',
    'https://ghcr.io',
    'ghcr.io/a:1',
    'sha256:12',
    `sha512:${'b'.repeat(128)}`,
    `ghcr.io/a@${digest}`,
    '__proto__',
    '',
  ])
    assert.throws(() => parseTarget(text), codeIs('SCOPE_INVALID'), text)
  for (const text of [digest, '@trow', '@trow/prod', '*', '*.example.com', 'a.io:5000/x'])
    assert.equal(parseTarget(text).text, text)
})

test('a document that is no policy is not edited', () => {
  for (const document of [undefined, [], { spec: [] }, { spec: { deny: {} } }, { spec: { rules: [7] } }])
    assert.throws(() => policyShapeOf(document, 'p'), codeIs('POLICY_INVALID'))
})
