import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import type { Digest } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/repository-name.ts'
import { ownImage, parseImageReference, printReference } from '../../src/policy/image-reference.ts'
import { digest, makeSet, policy, settings, verdict } from './fixtures.ts'
import { anyName } from './generators.ts'

const D = digest('a')
const hex = 'a'.repeat(64)

const judge = makeSet([
  policy({
    deny: [{ scope: 'ghcr.io/acme/banned', reason: 'banned' }],
    rules: [
      'docker.io/library',
      'ghcr.io/acme',
      '*.corp.example/team',
      'registry.example:5000/x',
      '[2001:db8::1]:5000/app',
      '@trow/prod',
      'quay.io',
    ].map((scope) => ({ scope, unverified: true })),
  }),
])

function longHost(length: number): string {
  return `a.${'b'.repeat(length - 2)}`
}

type Word = 'allow' | 'default' | 'deny'
const codes: Readonly<Record<Word, string>> = { allow: 'allow', default: 'NOT_ALLOWED', deny: 'DENY_LIST' }
/** Written names, their canonical form (`=`: as written, with `:latest`), and the policy's result. */
const names: readonly (readonly [string | readonly string[], string, Word])[] = [
  [
    [
      'nginx',
      'library/nginx',
      'docker.io/nginx',
      'index.docker.io/nginx',
      'DOCKER.IO/library/nginx',
      'docker.io:443/library/nginx',
      'docker.io:00443/library/nginx',
      'registry-1.docker.io/library/nginx',
      'registry.hub.docker.com/library/nginx',
      'index.docker.io:443/nginx',
    ],
    'docker.io/library/nginx:latest',
    'allow',
  ],
  ['bitnami/redis', 'docker.io/bitnami/redis:latest', 'default'],
  ['nginx/x', 'docker.io/nginx/x:latest', 'default'],
  [['docker.io/libraryevil/nginx', 'docker.io/library-evil/nginx'], '=', 'default'],
  ['a:5000', 'docker.io/library/a:5000', 'allow'],
  [['GHCR.io/acme/app', 'ghcr.io:443/acme/app'], 'ghcr.io/acme/app:latest', 'allow'],
  [`ghcr.io:0443/acme/app:v1@${D}`, `ghcr.io/acme/app@${D}`, 'allow'],
  [['ghcr.io/acme', 'ghcr.io/acme/banned2'], '=', 'allow'],
  [['ghcr.io:8443/acme/app', 'a.corp.example:8443/team/x'], '=', 'default'],
  [
    [
      'ghcr.io/acme-evil/app',
      'ghcr.io/acmeevil/app',
      'ghcr.io.evil.com/acme/app',
      'evil.com/ghcr.io/acme/app',
    ],
    '=',
    'default',
  ],
  ['ghcr.io/acme/banned:1', 'ghcr.io/acme/banned:1', 'deny'],
  [`GHCR.IO:443/acme/banned@${D}`, `ghcr.io/acme/banned@${D}`, 'deny'],
  ['ghcr.io/acme/banned/sub', '=', 'deny'],
  ['trow.local:31000/f/ghcr.io/acme/banned', 'ghcr.io/acme/banned:latest', 'deny'],
  ['trow.local:31000/f/ghcr.io/acme/app', 'ghcr.io/acme/app:latest', 'allow'],
  ['127.0.0.1:31000/f/evil.io/acme/app', 'evil.io/acme/app:latest', 'default'],
  [
    ['trow.local:31000/f/docker.io/nginx', 'trow.local:31000/f/index.docker.io/nginx'],
    'docker.io/library/nginx:latest',
    'allow',
  ],
  ['trow.local:31000/f/trow.local/acme/app', 'trow.local/acme/app:latest', 'default'],
  [['trow.local:31000/prod/app', 'TROW.local:31000/prod/app'], '@trow/prod/app:latest', 'allow'],
  ['trow.local:31000/dev/app', '@trow/dev/app:latest', 'default'],
  ['trow.local:31000/prodx/app', '@trow/prodx/app:latest', 'default'],
  ['trow.local/prod/app', '=', 'default'],
  [['a.corp.example/team/x', 'a.b.corp.example/team/x'], '=', 'allow'],
  [
    [
      'corp.example/team/x',
      'acorp.example/team/x',
      'attacker.com/a.corp.example/team/x',
      'a.corp.example.evil/team/x',
    ],
    '=',
    'default',
  ],
  ['registry.example:5000/x/y', '=', 'allow'],
  [['registry.example/x/y', 'registry.example:50000/x/y'], '=', 'default'],
  [
    ['[2001:db8::1]:5000/app', '[2001:0db8:0:0::1]:5000/app', '[2001:DB8::1]:5000/app'],
    '[2001:db8::1]:5000/app:latest',
    'allow',
  ],
  [['[::1]:5000/app', '[::ffff:102:304]/app'], '=', 'default'],
  [['10.0.0.1/app', '127.0.0.1.evil.com/app'], '=', 'default'],
  ['1.2.3.4:443/x', '1.2.3.4/x:latest', 'default'],
  ['quay.io/any/thing', '=', 'allow'],
  [['quay.io.evil.com/any', 'quay.iox/any'], '=', 'default'],
  ['xn--80ak6aa92e.com/app', '=', 'default'],
  ['LOCALHOST/app', 'localhost/app:latest', 'default'],
  [
    ['localhost/app', 'localhost:5000/app', 'reg.a1/x', 'reg.1a/x', 'reg.0xg/x', 'reg.x0x1/x'],
    '=',
    'default',
  ],
  ['trow.local:31000/f/quay.io/x', 'quay.io/x:latest', 'allow'],
  // With one digit more, or another character beside it, the text is not an image id.
  [`${hex}a`, `docker.io/library/${hex}a:latest`, 'allow'],
  [`z${hex}`, `docker.io/library/z${hex}:latest`, 'allow'],
  [`${hex}z`, `docker.io/library/${hex}z:latest`, 'allow'],
  // Names of the greatest length: the path, the path with `library/`, the host, and the whole name as written
  // and in canonical form.
  [`ghcr.io/${'x'.repeat(255)}`, '=', 'default'],
  ['x'.repeat(247), `docker.io/library/${'x'.repeat(247)}:latest`, 'allow'],
  [`${longHost(255)}/x`, '=', 'default'],
  [
    `${longHost(55)}/${'x'.repeat(255)}:${'t'.repeat(128)}@${D}`,
    `${longHost(55)}/${'x'.repeat(255)}@${D}`,
    'default',
  ],
  [`${longHost(249)}/${'x'.repeat(255)}`, '=', 'default'],
  ['a_b.com/x', 'docker.io/a_b.com/x:latest', 'default'],
  ['docker.io/library/sha256:7', 'docker.io/library/sha256:7', 'allow'],
  ['registry.example:65535/x', '=', 'default'],
  ['registry.example:1/x', '=', 'default'],
  ['255.255.255.255/x', '=', 'default'],
  ['a.1.example/x', '=', 'default'],
]

/** Refused names by code. */
const refused: readonly (readonly [string, readonly string[]])[] = [
  [
    'REF_PROXY',
    [
      'trow.local:31000/f/foo/bar',
      'trow.local:31000/f/nginx',
      'trow.local:31000/f',
      'trow.local:31000/f/ghcr.io',
      'trow.local:31000/f/1.2.3/x',
      'trow.local:31000/f/a_b.io/x',
    ],
  ],
  ['REF_HOST', ['[:::]/app', 'Acme/app', 'registry:443/app']],
  [
    'REF_IPV4',
    [
      '012.0.0.1/app',
      '1.2.3/app',
      '0x7f.0.0.1/app',
      '127.0.0.0x1/app',
      '1.2.3.256/x',
      '2130706433:5000/app',
      '1.2.3.4.5/x',
      '1.2.3.0X4/x',
      '1000.0.0.1/x',
    ],
  ],
  [
    'REF_SYNTAX',
    [
      '[::ffff:1.2.3.4]/app',
      'аpple.com/app',
      'ghcr.io./acme/app',
      'ghcr.io/acme//app',
      'ghcr.io/acme/../x',
      'ghcr.io/acme/./app',
      'http://ghcr.io/acme/app',
      'ghcr.io/acme/app:v1:v2',
      'ghcr.io/Acme/app',
      'NGINX',
      'ghcr.io/acme/app?x',
      'ghcr.io/acme/app#x',
      ' ghcr.io/acme/app',
      'ghcr.io/acme/app\n',
      'ghcr.io/acme/app\0',
      '@trow/prod',
      'trow.local:31000/f/GHCR.io/acme/app',
      'trow.local:31000/f/ghcr.io:443/a/b',
      'ghcr.io/',
      'ghcr.io/acme/app:',
      'ghcr.io/acme/app@',
      `ghcr.io/acme/app@${D}@${D}`,
      `ghcr.io/acme/app:${'t'.repeat(129)}`,
      'ghcr.io:123456/x',
      '-ghcr.io/x',
    ],
  ],
  [
    'REF_DIGEST',
    [
      'user:pass@ghcr.io/acme/app',
      'ghcr.io@evil.com/app',
      `ghcr.io/a@sha256:${'A'.repeat(64)}`,
      `ghcr.io/a@SHA256:${hex}`,
      'ghcr.io/a@sha256:abc',
      `ghcr.io/a@sha256:${hex}a`,
      `ghcr.io/a@md5:${'a'.repeat(32)}`,
      `ghcr.io/a@sha512:${'a'.repeat(128)}`,
      `ghcr.io/a@${D}\n`,
    ],
  ],
  ['REF_EMPTY', ['']],
  [
    'REF_ID',
    [hex, 'sha256:7', `sha256:${hex}`, 'sha256', 'sha512:abc', 'sha384:abc', 'blake3:a', `sha256@${D}`],
  ],
  [
    'REF_LONG',
    [
      `${'x/'.repeat(300)}y`,
      `ghcr.io/${'x'.repeat(256)}`,
      // With `library/` before it or `:latest` after it, it is too long.
      'x'.repeat(255),
      'x'.repeat(248),
      `${longHost(256)}/x`,
      `${longHost(56)}/${'x'.repeat(255)}:${'t'.repeat(128)}@${D}`,
      `${longHost(250)}/${'x'.repeat(255)}`,
      `${`${'a'.repeat(50)}.`.repeat(4)}io/${'x'.repeat(250)}@${D}`.slice(0, 505).padEnd(520, 'a'),
    ],
  ],
  ['REF_PORT', ['ghcr.io:0/acme/app', 'ghcr.io:65536/acme/app', 'ghcr.io:99999/x']],
]

suite('image references', () => {
  test('each tricky name has its canonical form and its verdict', () => {
    for (const [typed, form, word] of names)
      for (const name of [typed].flat()) {
        const reference = parseImageReference(name, settings)
        assert.equal(reference.kind, 'reference', name)
        const canonical = reference.kind === 'reference' ? printReference(reference) : ''
        assert.equal(canonical, form === '=' ? `${name}:latest` : form, name)
        assert.equal(verdict(judge, name), codes[word], name)
      }
  })

  test('each name that means different things to different clients is refused by its code', () => {
    for (const [code, texts] of refused)
      for (const text of texts) {
        const problem = parseImageReference(text, settings)
        assert.equal(problem.kind === 'problem' ? problem.code : printReference(problem), code, text)
        assert.equal(verdict(judge, text), code, text)
        // The message is readable text and does not repeat the whole name.
        assert.ok(problem.kind === 'problem' && /^[ -~…’]{10,300}$/u.test(problem.message), text)
      }
  })

  test('what is no text is no name', () => {
    for (const value of [undefined, null, 1, {}, [], { toString: () => 'nginx' }, true])
      assert.equal(verdict(judge, value), 'REF_EMPTY')
  })

  test('a name without a host is refused where the settings ask for one, with the name to write', () => {
    const strict = { ...settings, shortNames: 'deny' } as const
    for (const [name, full] of [
      ['nginx', 'docker.io/library/nginx'],
      ['acme/app:1', 'docker.io/acme/app'],
    ] as const) {
      const problem = parseImageReference(name, strict)
      assert.ok(problem.kind === 'problem' && problem.code === 'REF_SHORT')
      assert.ok(problem.message.endsWith(`write ${full}`), problem.message)
    }
    assert.equal(parseImageReference('docker.io/nginx', strict).kind, 'reference')
  })

  test('the registry itself below f/ is a loop', () => {
    const own = { ...settings, ownHosts: new Set(['trow.example']) }
    const loop = parseImageReference('trow.example/f/trow.example/x', own)
    assert.equal(loop.kind === 'problem' && loop.code, 'REF_LOOP')
    assert.equal(parseImageReference('trow.example/f/x.trow.example/x', own).kind, 'reference')
  })

  test('a digest leaves the tag for display alone', () => {
    const reference = parseImageReference(`ghcr.io:0443/acme/app:v1@${D}`, settings)
    assert.deepEqual(reference, {
      kind: 'reference',
      host: 'ghcr.io',
      path: 'acme/app',
      tag: undefined,
      digest: D,
      shadowTag: 'v1',
      hostToWrite: 'ghcr.io',
      proxied: false,
    })
  })

  test('says how the host is to be written, where it is written otherwise', () => {
    for (const [name, host] of [
      ['ghcr.io/a', undefined],
      ['GHCR.io/a', 'ghcr.io'],
      ['index.docker.io/a', 'docker.io'],
      ['nginx', undefined],
      ['trow.local:31000/a', undefined],
      ['TROW.local:31000/a', 'trow.local:31000'],
      ['trow.local:31000/f/ghcr.io/a', undefined],
    ] as const) {
      const reference = parseImageReference(name, settings)
      assert.equal(reference.kind === 'reference' && reference.hostToWrite, host, name)
    }
  })

  test('a request at the registry itself is named as its own content, or as that of another registry', () => {
    const print = (repository: string, reference: string): string => {
      const own = ownImage(repository as RepositoryName, reference as Digest, settings)
      return own.kind === 'problem' ? own.code : `${printReference(own)} ${own.proxied}`
    }
    const sha512 = `sha512:${'a'.repeat(128)}`
    assert.equal(print('prod/app', 'v1'), '@trow/prod/app:v1 false')
    assert.equal(print('prod/app', D), `@trow/prod/app@${D} false`)
    assert.equal(print('prod/app', sha512), `@trow/prod/app@${sha512} false`)
    assert.equal(print('f/ghcr.io/acme/app', 'v1'), 'ghcr.io/acme/app:v1 true')
    assert.equal(print('f/docker.io/nginx', 'v1'), 'docker.io/library/nginx:v1 true')
    assert.equal(print('f/x', 'v1'), 'REF_PROXY')
    assert.equal(print('fx/x', 'v1'), '@trow/fx/x:v1 false')
  })

  test('a canonical form is its own canonical form', () => {
    let names = 0
    fc.assert(
      fc.property(anyName, (name) => {
        const reference = parseImageReference(name, settings)
        if (reference.kind === 'problem' || reference.host === '@trow') return
        names++
        const again = parseImageReference(printReference(reference), settings)
        const { hostToWrite: _, proxied: __, shadowTag: ___, ...parts } = reference
        assert.deepEqual(again, { ...parts, hostToWrite: undefined, proxied: false, shadowTag: undefined })
      }),
      { numRuns: 5000, seed: 1 },
    )
    assert.ok(names > 1000, String(names))
  })

  test('ten kilobytes are no name, whatever they are made of', () => {
    for (const part of ['a', '-', 'a/', 'a.', '.', ':', '@', '[', 'a__', `@${D}`, '\u0000', '漢']) {
      const text = part.repeat(Math.ceil(10_000 / part.length))
      const result = parseImageReference(text, settings)
      assert.equal(result.kind === 'problem' && result.code, 'REF_LONG', part)
    }
  })

  test('any text is answered', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 600 }), fc.anything()), (text) => {
        const result = parseImageReference(text, settings)
        assert.ok(result.kind === 'reference' || result.code.startsWith('REF_'))
      }),
      { numRuns: 500, seed: 1 },
    )
  })
})
