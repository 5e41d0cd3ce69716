import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import {
  decide,
  isTaken,
  type Answer,
  type ImageVerdict,
  type JudgeRequest,
} from '../../src/policy/decide.ts'
import type { ContentFact } from '../../src/policy/image-content.ts'
import { content, day, digest, exception, makeSet, now, policy, verdict } from './fixtures.ts'
import { anyName, anyScope } from './generators.ts'

const someDigest = fc.constantFrom('a', 'b', 'c').map((letter) => digest(letter))
const denial = fc.oneof(
  anyScope.map((scope) => ({ scope, reason: 'x' })),
  someDigest.map((each) => ({ digest: each, reason: 'x' })),
)
const rule = anyScope.chain((scope) =>
  fc
    .constantFrom<object[]>(
      { unverified: true },
      { require: { digest: true } },
      { require: { tags: { deny: ['latest'] } } },
      ...(scope.startsWith('@trow')
        ? [
            { require: { present: true } },
            { require: { platforms: ['linux/arm64'] } },
            { require: { maxSize: '1kB' } },
          ]
        : []),
    )
    .map((what) => ({ scope, ...what })),
)
const scopeOf = (entry: object): unknown =>
  'scope' in entry ? entry.scope : 'digest' in entry ? entry.digest : undefined
const somePolicy = fc.record({
  mode: fc.constantFrom('enforce', 'enforce', 'warn', 'audit'),
  default: fc.constantFrom('deny', 'deny', 'pass'),
  onError: fc.constantFrom('deny', 'allow'),
  deny: fc.uniqueArray(denial, { maxLength: 3, selector: scopeOf }),
  rules: fc.uniqueArray(rule, { maxLength: 6, selector: scopeOf }),
})
const someException = fc.record({
  images: fc.uniqueArray(
    fc.oneof(
      anyScope.map((scope) => ({ scope })),
      someDigest.map((each) => ({ digest: each })),
    ),
    { minLength: 1, maxLength: 2, selector: scopeOf },
  ),
  policies: fc.constantFrom(['p0'], ['p1'], ['p0', 'p1']),
  namespaces: fc.constantFrom(['*'], ['default'], ['other']),
  overrideDeny: fc.boolean(),
  expires: fc.constantFrom(1, 2, 3).map((days) => new Date(now + days * day).toISOString()),
})
const fact: fc.Arbitrary<ContentFact | undefined> = fc.constantFrom(
  undefined,
  { kind: 'absent' },
  { kind: 'failed', reason: 'FACT_TIMEOUT' },
  content({ digests: [digest('a')] }),
  content({ contains: [digest('b')], size: 2000 }),
  content({ platforms: ['linux/arm64'] }),
)
const request: fc.Arbitrary<JudgeRequest> = fc.record({
  point: fc.constantFrom('admission', 'pull', 'push', 'scan'),
  namespace: fc.constantFrom('default', 'other', undefined),
  images: fc.array(fc.record({ place: fc.constant('c'), name: anyName, fact }), {
    minLength: 1,
    maxLength: 1,
  }),
})
const many = { numRuns: 1200, seed: 7 }

type Spec = Record<string, unknown>
const documents = (policies: readonly Spec[], exceptions: readonly Spec[]): object[] => [
  ...policies.map((spec, place) => policy(spec, `p${place}`)),
  ...exceptions.map((spec, place) => exception(spec, `e${place}`)),
]
const judge = (
  policies: readonly Spec[],
  exceptions: readonly Spec[],
  asked: JudgeRequest,
  at = now,
): Answer => decide(asked, makeSet(documents(policies, exceptions)), at)

suite('whatever the policies are', () => {
  test('a further deny never allows more', () => {
    let [allowed, denied] = [0, 0]
    fc.assert(
      fc.property(
        fc.array(somePolicy, { minLength: 1, maxLength: 2 }),
        fc.array(someException, { maxLength: 2 }),
        denial,
        request,
        (policies, exceptions, more, asked) => {
          const [first, ...rest] = policies
          if (first === undefined || first.deny.some((entry) => scopeOf(entry) === scopeOf(more))) return
          const before = judge(policies, exceptions, asked)
          const after = judge([{ ...first, deny: [...first.deny, more] }, ...rest], exceptions, asked)
          if (before.kind === 'deny') assert.notEqual(after.kind, 'allow')
          if (before.kind === 'allow') allowed++
          if (before.kind === 'allow' && after.kind === 'deny') denied++
        },
      ),
      many,
    )
    assert.ok(allowed > 100 && denied > 10, `${allowed} ${denied}`)
  })

  test('a further policy never allows more', () => {
    fc.assert(
      fc.property(
        fc.array(somePolicy, { minLength: 1, maxLength: 2 }),
        somePolicy,
        fc.array(someException, { maxLength: 2 }),
        request,
        (policies, more, exceptions, asked) => {
          const before = judge(policies, exceptions, asked)
          if (before.kind === 'deny')
            assert.notEqual(judge([...policies, more], exceptions, asked).kind, 'allow')
        },
      ),
      many,
    )
  })

  test('a removed rule under "default: deny" never allows more, unless a wider rule takes its place', () => {
    let removed = 0
    fc.assert(
      fc.property(somePolicy, fc.nat(5), request, (spec, place, asked) => {
        const gone = spec.rules[place]
        // A wider rule that remains may still accept what the removed rule covered.
        if (gone === undefined) return
        const rest = spec.rules.filter((each) => each !== gone)
        const alone = 'unverified' in gone || rest.length === 0
        if (!alone) return
        const strict = { ...spec, default: 'deny' }
        const before = judge([strict], [], asked)
        const after = judge([{ ...strict, rules: rest }], [], asked)
        removed++
        if (before.kind === 'deny') assert.notEqual(after.kind, 'allow')
      }),
      many,
    )
    assert.ok(removed > 100, String(removed))
  })

  test('a wider rule takes the place of one that is removed', () => {
    const wide = { scope: 'ghcr.io', unverified: true }
    const narrow = { scope: 'ghcr.io/acme', require: { digest: true } }
    assert.equal(verdict(makeSet([policy({ rules: [wide, narrow] })]), 'ghcr.io/acme/x'), 'DIGEST_REQUIRED')
    assert.equal(verdict(makeSet([policy({ rules: [wide] })]), 'ghcr.io/acme/x'), 'allow')
    assert.equal(verdict(makeSet([policy({ rules: [narrow] })]), 'ghcr.io/acme/x'), 'DIGEST_REQUIRED')
    assert.equal(verdict(makeSet([policy({ rules: [] })]), 'ghcr.io/acme/x'), 'NOT_ALLOWED')
  })

  test('two exceptions never allow an image that neither allows', () => {
    let lifted = 0
    fc.assert(
      fc.property(
        fc.array(somePolicy, { minLength: 1, maxLength: 2 }),
        someException,
        someException,
        request,
        (policies, one, other, asked) => {
          const kinds = [[one], [other], [one, other]].map(
            (exceptions) => judge(policies, exceptions, asked).kind,
          )
          if (kinds[2] !== 'allow') return
          if (judge(policies, [], asked).kind === 'deny') lifted++
          assert.ok(kinds[0] === 'allow' || kinds[1] === 'allow')
        },
      ),
      many,
    )
    assert.ok(lifted > 15, String(lifted))
  })

  test('an answer holds until it says, and no time allows what was refused before it', () => {
    let held = 0
    fc.assert(
      fc.property(
        fc.array(somePolicy, { minLength: 1, maxLength: 2 }),
        fc.array(someException, { maxLength: 3 }),
        request,
        fc.integer({ min: 1, max: 4 * day }),
        (policies, exceptions, asked, later) => {
          const set = makeSet(documents(policies, exceptions))
          const before = decide(asked, set, now)
          const after = decide(asked, set, now + later)
          if (before.kind === 'deny') assert.notEqual(after.kind, 'allow')
          if (before.kind === 'needs' || now + later >= (before.until ?? Infinity)) return
          if (before.until !== undefined) held++
          assert.deepEqual(after, before)
        },
      ),
      many,
    )
    assert.ok(held > 15, String(held))
  })

  test('the same name in another spelling has the same answer by name', () => {
    fc.assert(
      fc.property(
        somePolicy,
        fc.constantFrom('acme/app', 'library/a', 'acme/b'),
        fc.constantFrom(
          ['ghcr.io', 'GHCR.io', 'ghcr.io:443', 'trow.local:31000/f/ghcr.io'],
          ['docker.io', 'index.docker.io', 'DOCKER.IO:0443', 'registry.hub.docker.com'],
        ),
        (spec, path, hosts) => {
          const set = makeSet([policy(spec)])
          const answers = hosts.map((host) => verdict(set, `${host}/${path}:v1`))
          assert.equal(new Set(answers).size, 1, answers.join(' '))
        },
      ),
      many,
    )
  })

  test('a request is taken at once where the whole answer would be that all policies accept it', () => {
    let atOnce = 0
    fc.assert(
      fc.property(
        fc.array(somePolicy, { maxLength: 2 }),
        fc.array(someException, { maxLength: 2 }),
        fc.constantFrom('allow', 'deny'),
        fc.record({
          point: fc.constantFrom('admission', 'pull', 'push', 'scan'),
          namespace: fc.constantFrom('default', undefined),
          images: fc.array(
            fc.record({ place: fc.constant('c'), name: anyName, fact, isBlob: fc.boolean() }),
            { minLength: 1, maxLength: 2 },
          ),
        }),
        (policies, exceptions, noPolicy, asked) => {
          const set = makeSet(documents(policies, exceptions), { noPolicy })
          const answer = decide(asked, set, now)
          const isAccepted = answer.kind === 'allow' && answer.verdicts.every(isWithoutFinding)
          assert.equal(isTaken(asked, set), policies.length > 0 && isAccepted)
          if (isAccepted) assert.equal(answer.until, undefined)
          if (isTaken(asked, set)) atOnce++
        },
      ),
      many,
    )
    assert.ok(atOnce > 100, String(atOnce))
  })

  test('a request is asked for its content once', () => {
    fc.assert(
      fc.property(
        fc.array(somePolicy, { minLength: 1, maxLength: 2 }),
        fc.array(someException, { maxLength: 2 }),
        request,
        (policies, exceptions, asked) => {
          const [image] = asked.images
          if (image?.fact === undefined) return
          assert.notEqual(judge(policies, exceptions, asked).kind, 'needs')
        },
      ),
      many,
    )
  })
})

function isWithoutFinding({ refusals, warnings, wouldDeny, excepted, unchecked }: ImageVerdict): boolean {
  return [refusals, warnings, wouldDeny, excepted, unchecked].every((findings) => findings.length === 0)
}
