import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { decide, type RequestedImage } from '../../src/policy/decide.ts'
import type { PolicySet } from '../../src/policy/policy-set.ts'
import { refusalText, warningTexts } from '../../src/policy/refusal-text.ts'
import { plain, shown } from '../../src/policy/shown.ts'
import { digest, makeSet, now, policy } from './fixtures.ts'

function verdicts(set: PolicySet, ...images: readonly (Partial<RequestedImage> & { name: unknown })[]) {
  const filled = images.map((image) => ({ place: '', fact: undefined, ...image }))
  const answer = decide({ point: 'admission', namespace: 'x', images: filled }, set, now)
  assert.ok(answer.kind !== 'needs')
  return answer.verdicts
}

const production = policy(
  {
    rules: [
      { scope: 'ghcr.io/acme', unverified: true },
      { scope: 'docker.io/library', require: { tags: { deny: ['latest'] } } },
      { scope: '@trow', require: { present: true } },
    ],
    deny: [{ scope: 'docker.io/bitnami', reason: 'the catalogue moved', fix: 'use @trow/bitnami' }],
  },
  'production',
)
const generic = 'Fix: use an image that a rule covers, or ask for a rule or an exception'

suite('what somebody reads', () => {
  test('a refusal names every refused image, as typed and as it is meant, the reason and what to do', () => {
    const said = verdicts(
      makeSet([production]),
      { place: 'app', name: 'bitnami/redis' },
      { place: 'fine', name: 'ghcr.io/acme/app' },
      { place: 'init', name: 'nginx' },
      { place: 'bad', name: 'NGINX' },
      { place: 'other', name: 'quay.io/x:1' },
    )
    assert.equal(
      refusalText(said, '01JD7'),
      [
        '4 of 5 images are refused by policy production',
        '  app: bitnami/redis (docker.io/bitnami/redis:latest)  DENY_LIST docker.io/bitnami is denied: the catalogue moved. Fix: use @trow/bitnami',
        '  init: nginx (docker.io/library/nginx:latest)  TAG_DENIED the tag latest is denied. Fix: use another tag, or a digest',
        '  bad: NGINX  REF_SYNTAX "NGINX" is not written like HOST/PATH:TAG or HOST/PATH@DIGEST',
        `  other: quay.io/x:1  NOT_ALLOWED no rule covers the name, and the default is deny. ${generic}`,
        '  details: trow policy explain 01JD7',
      ].join('\n'),
    )
  })

  test('one image, no id, several policies', () => {
    const set = makeSet([production, policy({}, 'strict')])
    assert.equal(
      refusalText(verdicts(set, { name: 'quay.io/x:1' }), undefined),
      `the image is refused by policies production, strict\n  quay.io/x:1  production: NOT_ALLOWED no rule covers the name, and the default is deny. ${generic}; strict: NOT_ALLOWED no rule covers the name, and the default is deny. ${generic}`,
    )
  })

  test('nothing is said where nothing is refused', () => {
    assert.equal(refusalText(verdicts(makeSet([production]), { name: 'ghcr.io/acme/a' }), 'x'), undefined)
    assert.equal(
      refusalText(verdicts(makeSet([policy({ mode: 'warn' })]), { name: 'nginx' }), 'x'),
      undefined,
    )
  })

  test('"could not check" is worded otherwise than "not allowed", unless something is not allowed besides', () => {
    const fact = { kind: 'failed', reason: 'FACT_TIMEOUT' } as const
    const own = { name: 'trow.local:31000/a', fact }
    assert.equal(
      refusalText(verdicts(makeSet([production]), own), undefined),
      'the image could not be checked by policy production, try again\n  trow.local:31000/a (@trow/a:latest)  FACT_TIMEOUT its content could not be looked at in time. Fix: try again',
    )
    assert.match(
      refusalText(verdicts(makeSet([production]), own, { name: 'quay.io/x' }), undefined) ?? '',
      /^2 of 2 images are refused by policy production\n/,
    )
  })

  test('without a policy it says none', () => {
    const said = verdicts(makeSet([], { noPolicy: 'deny' }), { name: 'nginx' })
    assert.equal(
      refusalText(said, undefined),
      'the image is refused\n  nginx (docker.io/library/nginx:latest)  NO_POLICY no policy judges it, and the settings refuse what none judges. Fix: make a policy for it',
    )
  })

  test('what somebody typed cannot forge a line, a colour or another text, and is bounded', () => {
    const name = `evil.com/x\n  details: none\u001b[31m\u202e${'y'.repeat(400)}`
    const text = refusalText(verdicts(makeSet([production]), { place: 'a\nb', name }), undefined) ?? ''
    assert.deepEqual(text.split('\n').length, 2)
    assert.match(text, /^[\n -~…]*$/u)
    assert.ok(text.includes('a\\u{a}b: evil.com/x\\u{a}  details'))
    assert.ok(text.length < 700)
    for (const value of [undefined, 5, {}])
      assert.match(
        refusalText(verdicts(makeSet([production]), { name: value }), undefined) ?? '',
        /\(no name\) {2}REF_EMPTY/,
      )
    const quoted = refusalText(verdicts(makeSet([production]), { name: '"\\' }), undefined) ?? ''
    assert.ok(quoted.includes(' \\"\\\\  REF_SYNTAX "\\"\\\\" is not'))
  })

  test('a text of somebody else is shown to its 160th character, and no other than plain ones', () => {
    assert.equal(shown('a'.repeat(160)), `"${'a'.repeat(160)}"`)
    assert.equal(shown('a'.repeat(161)), `"${'a'.repeat(160)}…"`)
    assert.equal(plain('a"\\\u202e\u{1f600}\ud800~ …é'), 'a\\"\\\\\\u{202e}\\u{1f600}\\u{d800}~ …\\u{e9}')
  })

  test('of thousands of images the first fifty are named', () => {
    const images = Array.from({ length: 60 }, (_, each) => ({ name: `quay.io/x${each}` }))
    const lines = (refusalText(verdicts(makeSet([production]), ...images), undefined) ?? '').split('\n')
    assert.equal(lines.length, 52)
    assert.equal(lines.at(-1), '  and 10 more')
    const fifty = refusalText(verdicts(makeSet([production]), ...images.slice(0, 50)), undefined) ?? ''
    assert.equal(fifty.split('\n').length, 51)
  })

  test('warnings are one line each, no longer than the API server takes, together too', () => {
    const set = makeSet([policy({ mode: 'warn' }, 'w')])
    assert.deepEqual(warningTexts(verdicts(set, { name: 'quay.io/x:1' })), [
      `policy w would refuse quay.io/x:1: NOT_ALLOWED no rule covers the name, and the default is deny. ${generic}`,
    ])
    const long = warningTexts(verdicts(set, { name: `quay.io/${'x'.repeat(200)}` }))
    assert.deepEqual(
      long.map((each) => each.length),
      [256],
    )
    assert.ok(long[0]?.endsWith('…'))
    const images = Array.from({ length: 50 }, (_, each) => ({ name: `quay.io/${'x'.repeat(200)}${each}` }))
    const all = warningTexts(verdicts(set, ...images))
    assert.equal(all.length, 16)
    assert.deepEqual(warningTexts(verdicts(makeSet([production]), { name: 'quay.io/x' })), [])
    // A total of 4,096 characters is accepted, one more is not.
    const [shortest = ''] = warningTexts(verdicts(set, { name: 'quay.io/x:1' }))
    const ofLength = (length: number): { name: string } => ({
      name: `quay.io/${'x'.repeat(1 + length - shortest.length)}:1`,
    })
    const lengths = (...wanted: number[]): number[] =>
      warningTexts(verdicts(set, ...wanted.map((length) => ofLength(length)))).map((each) => each.length)
    const [whole = ''] = warningTexts(verdicts(set, ofLength(256)))
    assert.ok(whole.length === 256 && whole.endsWith('exception'))
    const ten = Array.from({ length: 10 }, () => 256)
    const six = [256, 256, 256, 256, 256, 256]
    assert.deepEqual(lengths(...ten, ...six), [...ten, ...six])
    const seven = [220, 220, 220, 220, 220, 220, 217]
    assert.deepEqual(lengths(...ten, ...seven), [...ten, ...seven.slice(0, 6)])
    assert.deepEqual(lengths(...ten, ...seven.slice(0, 6), 216), [...ten, ...seven.slice(0, 6), 216])
  })

  test('a denied part is named', () => {
    const set = makeSet([
      policy({ default: 'pass', deny: [{ digest: digest('d'), reason: 'CVE-2024-3094' }] }),
    ])
    const text = refusalText(verdicts(set, { name: `nginx@${digest('d')}` }), undefined)
    assert.ok(text?.includes(`DENY_LIST ${digest('d')} is denied: CVE-2024-3094`))
  })
})
