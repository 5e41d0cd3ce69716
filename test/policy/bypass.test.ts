import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { RepositoryName } from '../../src/oci/repository-name.ts'
import type { Reference } from '../../src/oci/tag.ts'
import { decide, type RequestedImage } from '../../src/policy/decide.ts'
import { ownImage } from '../../src/policy/image-reference.ts'
import {
  printed,
  ask,
  content,
  digest,
  exception,
  makeSet,
  now,
  policy,
  problemsOf,
  settings,
  verdict,
} from './fixtures.ts'

const own = 'trow.local:31000/prod/app'
const at = (repository: string, reference: string): Partial<RequestedImage> & { namespace: undefined } => ({
  own: ownImage(repository as RepositoryName, reference as Reference, settings),
  namespace: undefined,
})
const allow = (...scopes: string[]) =>
  makeSet([policy({ rules: scopes.map((scope) => ({ scope, unverified: true })) })])
const deny = (...entries: object[]) =>
  makeSet([policy({ default: 'pass', deny: entries.map((entry) => ({ ...entry, reason: 'x' })) })])

/** Known bypasses of other tools. Each row: what went wrong there, and what happens here. */
const rows: Readonly<Record<string, () => void>> = {
  'Gatekeeper #80, #529, #538, Trivy KSV-0124: a prefix without a boundary admits docker.io/mycompanyevil':
    () => {
      assert.equal(verdict(allow('docker.io/mycompany'), 'docker.io/mycompanyevil/x'), 'NOT_ALLOWED')
      assert.equal(verdict(allow('docker.io/mycompany'), 'docker.io/mycompany/x'), 'allow')
    },
  'Trow (Rust) 0.10.0: a prefix rule crosses the boundary of the host, quay.io admits quay.io.evil.com':
    () => {
      for (const name of ['quay.io.evil.com/x', 'quay.iox/x', 'quay.io:5000/x', 'evil.com/quay.io/x'])
        assert.equal(verdict(allow('quay.io'), name), 'NOT_ALLOWED', name)
    },
  'Trow (Rust) 0.10.0: the example chart allows the prefix 127.0.0.1': () => {
    for (const name of ['127.0.0.1.evil.com/x', '127.0.0.1:5000/x', '127.0.0.10/x'])
      assert.equal(verdict(allow('127.0.0.1'), name), 'NOT_ALLOWED', name)
  },
  'Trow (Rust) 0.10.0: an open proxy, the own host admits every registry in the world': () => {
    assert.equal(verdict(allow('@trow'), 'trow.local:31000/f/evil.io/x'), 'NOT_ALLOWED')
    assert.equal(verdict(allow('@trow'), '', { ...at('f/evil.io/x', 'v1'), point: 'pull' }), 'NOT_ALLOWED')
    assert.equal(
      verdict(allow('@trow', 'ghcr.io'), '', { ...at('f/ghcr.io/x', 'v1'), point: 'push' }),
      'REF_PROXY',
    )
  },
  'Portieris 0.14.2: a wildcard crosses from the host into the path': () => {
    const set = allow('*.trusted.example')
    assert.equal(verdict(set, 'attacker.com/x.trusted.example/y'), 'NOT_ALLOWED')
    assert.equal(verdict(set, 'x.trusted.example/y'), 'allow')
    assert.match(
      problemsOf(policy({ rules: [{ scope: 'ghcr.io/*/x', unverified: true }] }))[0] ?? '',
      /SCOPE_PATH/,
    )
  },
  'ARO-HCP #4690: a prefix with ":" behind it admits another port': () => {
    assert.equal(verdict(allow('registry.example'), 'registry.example:5000/x'), 'NOT_ALLOWED')
    assert.equal(verdict(allow('registry.example:5000'), 'registry.example:50000/x'), 'NOT_ALLOWED')
  },
  'oras-go #1388: the case and the port of a host make another host': () => {
    const set = deny({ scope: 'ghcr.io/acme' })
    for (const name of ['GHCR.IO/acme/x', 'ghcr.io:443/acme/x', 'ghcr.io:00443/acme/x', 'GhCr.Io:443/acme/x'])
      assert.equal(verdict(set, name), 'DENY_LIST', name)
  },
  'a deny list is walked around by another name of Docker Hub': () => {
    const set = deny({ scope: 'docker.io/bitnami' })
    for (const name of [
      'bitnami/redis',
      'index.docker.io/bitnami/redis',
      'registry-1.docker.io/bitnami/redis',
      'registry.hub.docker.com/bitnami/redis',
      'trow.local:31000/f/docker.io/bitnami/redis',
      'trow.local:31000/f/index.docker.io/bitnami/redis',
    ])
      assert.equal(verdict(set, name), 'DENY_LIST', name)
  },
  'containerd: sha256:7 as a name starts any image of the node whose id begins so': () => {
    for (const name of ['sha256:7', 'sha256:abcdef', `sha256:${'a'.repeat(64)}`, 'a'.repeat(64), 'sha512:7'])
      assert.equal(verdict(allow('docker.io', '*'), name), 'REF_ID', name)
  },
  'containerd: a host in another spelling passes the mirror by': () => {
    const set = makeSet([policy({ rules: [{ scope: '@trow', require: { present: true } }] })])
    assert.equal(verdict(set, 'TROW.local:31000/a', { fact: content() }), 'HOST_SPELLING')
  },
  'Kyverno #6587: an invalid reference is skipped instead of refused': () => {
    for (const name of ['ghcr.io/Acme/x', '', 'x y', '../x', 'a@b', undefined, null, {}])
      assert.match(verdict(makeSet([policy({ default: 'pass' })]), name), /^REF_/)
  },
  'CVE-2025-46342: an error in choosing a policy skips the policy': () => {
    assert.match(problemsOf(policy({ namespaces: { include: ['['] } }))[0] ?? '', /must be a namespace/)
    const set = makeSet([policy({ namespaces: { exclude: ['a'] } })])
    for (const namespace of ['', '*', 'a*', '__proto__', 'A'])
      assert.equal(verdict(set, 'nginx', { namespace }), 'NOT_ALLOWED', namespace)
  },
  'Kyverno IVPol, Kubewarden: what no rule matches passes, an empty list passes': () => {
    assert.equal(verdict(makeSet([policy({})]), 'nginx'), 'NOT_ALLOWED')
    assert.equal(verdict(makeSet([policy({ rules: [], deny: [] })]), 'nginx'), 'NOT_ALLOWED')
    assert.match(problemsOf(policy({ default: undefined }))[0] ?? '', /^spec\.default: is required/)
  },
  'Kyverno GHSA-m85g-9h78-gj6r: what is required depends on an order': () => {
    const require = { digest: true, tags: { deny: ['latest'] }, present: true }
    const rules = [
      { scope: '@trow', unverified: true },
      { scope: '@trow/prod', require },
      { scope: '*', unverified: true },
    ]
    for (const order of [rules, rules.toReversed(), [rules[1], rules[0], rules[2]]])
      for (const fields of [require, Object.fromEntries(Object.entries(require).toReversed())]) {
        const changed = order.map((each) =>
          each?.scope === '@trow/prod' ? { ...each, require: fields } : each,
        )
        const set = makeSet([policy({ rules: changed })])
        assert.equal(verdict(set, own), 'DIGEST_REQUIRED')
        assert.equal(verdict(set, `${own}@${digest('a')}`, { fact: { kind: 'absent' } }), 'NOT_PRESENT')
      }
  },
  'Kyverno #16808, #16817, #16853: fields that are accepted and do nothing': () => {
    for (const spec of [{ pin: 'serve' }, { onMovedTag: 'deny' }, { signers: {} }, { verifyDigest: true }])
      assert.equal(problemsOf(policy(spec)).length, 1)
    for (const require of [
      { signedBy: { all: ['a'] } },
      { attestations: [] },
      { minFirstSeen: '1h' },
      { noRollback: true },
    ])
      assert.equal(problemsOf(policy({ rules: [{ scope: '@trow', require }] })).length, 1)
  },
  'Kyverno #16336, Portieris 0.14.3: an annotation or an owner that a tenant writes is trusted': () => {
    const image = {
      place: 'app',
      name: 'nginx',
      fact: undefined,
      annotations: { verified: 'pass' },
      owner: 'trusted',
    }
    const answer = decide({ point: 'admission', namespace: 'x', images: [image] }, makeSet([policy({})]), now)
    assert.equal(printed(answer), 'NOT_ALLOWED')
  },
  'CVE-2024-48921: an exception is taken from any namespace': () => {
    const made = exception({ images: [{ scope: '*' }] })
    assert.match(
      problemsOf({ ...made, metadata: { name: 'e', namespace: 'tenant' } })[0] ?? '',
      /^metadata\.namespace: the object belongs to the whole cluster/,
    )
    const limited = exception({ images: [{ scope: '*' }], namespaces: ['tenant'] })
    assert.equal(verdict(makeSet([policy({}), limited]), 'nginx', { namespace: 'other' }), 'NOT_ALLOWED')
  },
  'GHSA-gg4x-fgg2-h9w9: two exceptions combine into a bypass': () => {
    const set = makeSet([
      policy({}, 'a'),
      policy({}, 'b'),
      exception({ images: [{ scope: '*' }], policies: ['a'] }, 'ea'),
      exception({ images: [{ scope: '*' }], policies: ['b'] }, 'eb'),
    ])
    assert.equal(verdict(set, 'nginx'), 'NOT_ALLOWED NOT_ALLOWED')
  },
  'kyverno/policies #1530: an exception for an image exempts the whole pod': () => {
    const set = makeSet([policy({}), exception({ images: [{ scope: 'quay.io/legacy' }] })])
    const images = ['quay.io/legacy/app', 'evil.com/x'].map((name) => ({ place: '', name, fact: undefined }))
    const answer = decide({ point: 'admission', namespace: 'x', images }, set, now)
    assert.deepEqual(answer.kind === 'deny' && answer.verdicts.map(({ refusals }) => refusals.length), [0, 1])
  },
  'Kyverno #17473: an exception that has expired still counts': () => {
    const set = makeSet([
      policy({}),
      exception({ images: [{ scope: '*' }], expires: '2026-11-23T00:00:00Z' }),
    ])
    for (const point of ['admission', 'pull', 'push', 'scan'] as const)
      assert.equal(verdict(set, 'nginx', { point }), 'NOT_ALLOWED')
  },
  'Kyverno #17173: a remembered answer outlives a denial': () => {
    const set = makeSet([policy({}), exception({ images: [{ scope: '*' }] })])
    const answer = ask(set, 'nginx')
    assert.ok(answer.kind === 'allow' && answer.until !== undefined)
    assert.equal(ask(set, 'nginx', { now: answer.until }).kind, 'deny')
  },
  'Azure/acr #522: quarantine by tag is passed by digest': () => {
    const set = deny({ digest: digest('d') })
    const bad = { fact: content({ digests: [digest('d')] }), point: 'pull' } as const
    assert.equal(verdict(set, '', { ...at('prod/app', 'v1'), ...bad }), 'DENY_LIST')
    assert.equal(verdict(set, '', { ...at('prod/app', digest('d')), ...bad }), 'DENY_LIST')
    assert.equal(verdict(set, '', { ...at('other/copy', 'v1'), ...bad }), 'DENY_LIST')
    assert.equal(verdict(set, '', { ...at('prod/app', 'v1'), ...bad, point: 'push' }), 'DENY_LIST')
  },
  'a denied image is had inside of an index, or under the sha512 digest of the same bytes': () => {
    const set = deny({ digest: digest('d') })
    const sha512 = `sha512:${'e'.repeat(128)}` as ReturnType<typeof digest>
    const index = content({ digests: [digest('a')], contains: [digest('d'), digest('b')] })
    const twin = content({ digests: [sha512, digest('d')] })
    assert.equal(verdict(set, '', { ...at('prod/app', 'v1'), point: 'pull', fact: index }), 'DENY_LIST')
    assert.equal(verdict(set, '', { ...at('prod/app', sha512), point: 'pull', fact: twin }), 'DENY_LIST')
    assert.equal(verdict(set, `nginx@${sha512}`), 'REF_DIGEST')
  },
  'CVE-2022-47633: the answer of the second fetch differs from what was checked': () => {
    // A name is judged by the content it refers to at that moment; other content is judged anew.
    const set = deny({ digest: digest('d') })
    assert.equal(verdict(set, own, { fact: content({ digests: [digest('c')] }) }), 'allow')
    assert.equal(verdict(set, own, { fact: content({ digests: [digest('d')] }) }), 'DENY_LIST')
    // A digest in the name is judged as well as the digest that was found.
    assert.equal(verdict(set, `${own}@${digest('d')}`, { fact: content() }), 'DENY_LIST')
  },
  'a tag beside a digest is judged instead of the digest': () => {
    const set = makeSet([
      policy({
        rules: [{ scope: 'ghcr.io', require: { digest: true } }],
        deny: [{ digest: digest('d'), reason: 'x' }],
      }),
    ])
    assert.equal(verdict(set, `ghcr.io/a:good@${digest('d')}`), 'DENY_LIST')
    assert.equal(verdict(set, 'ghcr.io/a:sha256-aaaa'), 'DIGEST_REQUIRED')
  },
  'a runnable image is pushed under the tag of a signature': () => {
    const set = makeSet([policy({ rules: [{ scope: '@trow', require: { platforms: ['linux/arm64'] } }] })])
    const push = { ...at('prod/app', `sha256-${'a'.repeat(64)}.sig`), point: 'push' } as const
    assert.equal(verdict(set, '', { ...push, fact: content() }), 'PLATFORM')
    assert.equal(verdict(set, '', { ...push, fact: content({ platforms: [], isEvidence: true }) }), 'allow')
  },
  'what pushers are exempt from: nothing of a deny list': () => {
    const set = deny({ scope: '@trow/banned' }, { digest: digest('d') })
    assert.equal(verdict(set, '', { ...at('banned/x', 'v1'), point: 'push', fact: content() }), 'DENY_LIST')
    const bad = content({ contains: [digest('d')] })
    assert.equal(verdict(set, '', { ...at('prod/x', 'v1'), point: 'push', fact: bad }), 'DENY_LIST')
  },
  'Connaisseur 1.3.0 and 3.1.1, CVE-2023-2727: init and ephemeral containers and image volumes are missed':
    () => {
      const places = ['containers/app', 'initContainers/i', 'ephemeralContainers/e', 'volumes/v']
      for (const bad of places) {
        const images = places.map((place) => ({
          place,
          name: place === bad ? 'evil.com/x' : 'ghcr.io/x',
          fact: undefined,
        }))
        const answer = decide({ point: 'admission', namespace: 'x', images }, allow('ghcr.io'), now)
        assert.deepEqual(
          answer.kind === 'deny' &&
            answer.verdicts.filter(({ refusals }) => refusals.length > 0).map(({ image }) => image.place),
          [bad],
        )
      }
    },
  'Kyverno CVE-2026-22039, Kubewarden CVE-2025-24376: a policy in a namespace has the rights of the controller':
    () => {
      assert.match(
        problemsOf({ ...policy({}), metadata: { name: 'p', namespace: 'tenant' } })[0] ?? '',
        /^metadata\.namespace/,
      )
    },
  'CVE-2026-4789, CVE-2026-41323: a policy makes requests': () => {
    for (const spec of [
      { url: 'http://169.254.169.254' },
      { context: [] },
      { rules: [{ scope: '@trow', unverified: true, url: 'x' }] },
    ])
      assert.equal(problemsOf(policy(spec)).length, 1)
    // Content of another registry is never requested.
    assert.equal(verdict(deny({ digest: digest('d') }), '169.254.169.254/x'), 'allow')
  },
  'Connaisseur 3.3.0: a pattern takes exponential time': () => {
    const set = makeSet([policy({ namespaces: { include: [`${'a*'.repeat(31)}b`] } })])
    assert.equal(verdict(set, 'nginx', { namespace: 'a'.repeat(63) }), 'allow')
    for (const part of ['a-', 'a.', 'a/', 'a:', '[:', 'a@', '0.', '-_', 'a__', '*.'])
      assert.match(verdict(set, part.repeat(5000), { namespace: `${'a'.repeat(60)}b` }), /^REF_LONG$/)
  },
  'names of objects are taken for fields': () => {
    const set = allow('ghcr.io/constructor')
    for (const name of [
      '__proto__',
      'constructor',
      'ghcr.io/__proto__',
      'ghcr.io/tostring/x',
      'hasownproperty/x',
    ])
      assert.notEqual(verdict(set, name), 'allow', name)
    assert.equal(verdict(set, 'ghcr.io/constructor/x'), 'allow')
    assert.equal(verdict(set, 'nginx', { namespace: '__proto__' }), 'NOT_ALLOWED')
  },
  'Kyverno: a denial whose facts failed passes': () => {
    const set = deny({ digest: digest('d') })
    for (const reason of ['FACT_PENDING', 'FACT_TIMEOUT', 'FACT_UPSTREAM'] as const)
      assert.equal(verdict(set, own, { fact: { kind: 'failed', reason } }), reason)
    // Content that was not looked up gives no answer either.
    assert.equal(verdict(set, own), 'needs')
  },
}

suite('holes of other tools', () => {
  for (const [name, check] of Object.entries(rows)) test(name, check)
})
