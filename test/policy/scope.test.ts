import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { parseImageReference } from '../../src/policy/image-reference.ts'
import { ScopeIndex } from '../../src/policy/scope-index.ts'
import { parseScope, type Scope } from '../../src/policy/scope.ts'
import { settings } from './fixtures.ts'
import { anyName, anyScope } from './generators.ts'

const own = settings.ownHosts

const good = [
  '*',
  'ghcr.io',
  'ghcr.io/acme',
  'ghcr.io/acme/app',
  'localhost',
  'localhost:5000',
  'registry:5000/x',
  '@trow',
  '@trow/prod',
  '@trow/ff',
  '*.corp.example',
  '*.corp.example/x',
  '*.corp.example:8443/x',
  '*.1.example',
  '*.1a.example',
  'docker.io/nginx',
  'docker.io/library/nginx',
  '[2001:db8::1]:5000/app',
  '1.2.3.4',
]

/** Refused scopes, by code, with the end of the message. */
const bad: readonly (readonly [string, string, string])[] = [
  ['SCOPE_SHORT', 'nginx', 'write docker.io/library/nginx'],
  ['SCOPE_SHORT', 'acme/app', 'write docker.io/acme/app'],
  ['SCOPE_SHORT', '**', '"**" has no host'],
  ['SCOPE_SYNTAX', '', 'visible characters of ASCII'],
  ['SCOPE_CASE', 'GHCR.io/acme', 'write ghcr.io/acme'],
  ['SCOPE_CASE', 'GHCR.io:443', 'write ghcr.io'],
  ['SCOPE_CASE', 'ghcr.io/Acme', 'write ghcr.io/acme'],
  ['SCOPE_CASE', '*.Corp.example/x', 'write *.corp.example/x'],
  ['SCOPE_SCHEME', 'https://ghcr.io', 'write "ghcr.io", without a scheme'],
  ['SCOPE_SCHEME', 'http://a://b', 'write "a://b", without a scheme'],
  ['SCOPE_SCHEME', '://x', 'write "x", without a scheme'],
  ['SCOPE_SHORT', '/x', '"" has no host'],
  ['SCOPE_TAG', 'a@sha256:aa', 'fields of their own'],
  ['SCOPE_PATH', 'ghcr.io/acme/', 'write ghcr.io/acme'],
  ['SCOPE_PATH', 'ghcr.io/acme/*', 'write ghcr.io/acme'],
  ['SCOPE_PATH', 'ghcr.io/acme/**', 'write ghcr.io/acme'],
  ['SCOPE_PATH', 'ghcr.io/*', 'write ghcr.io'],
  ['SCOPE_PATH', 'ghcr.io/', 'write ghcr.io'],
  ['SCOPE_PATH', 'ghcr.io//x', 'covers what is below it'],
  ['SCOPE_PATH', 'ghcr.io/a*/x', 'covers what is below it'],
  ['SCOPE_PATH', 'ghcr.io/a/../x', 'covers what is below it'],
  ['SCOPE_PATH', `ghcr.io/${'a'.repeat(256)}`, 'covers what is below it'],
  ['SCOPE_PATH', '@trow/f', 'write that'],
  ['SCOPE_PATH', '@trow/f/ghcr.io/acme', 'write that'],
  ['SCOPE_TAG', 'ghcr.io/acme:v1', 'require.tags'],
  ['SCOPE_TAG', 'nginx:latest', 'require.tags'],
  ['SCOPE_TAG', 'ghcr.io/acme@sha256:aa', 'fields of their own'],
  ['SCOPE_TAG', '@trow/a@sha256:aa', 'fields of their own'],
  ['SCOPE_WILD', '*.com', 'at least two labels'],
  ['SCOPE_WILD', '*.io', 'at least two labels'],
  ['SCOPE_WILD', '*.localhost', 'at least two labels'],
  ['SCOPE_WILD', '*.com:5000/x', 'at least two labels'],
  ['SCOPE_ALIAS', 'index.docker.io/x', 'write docker.io/x'],
  ['SCOPE_ALIAS', 'registry-1.docker.io', 'write docker.io'],
  ['SCOPE_ALIAS', '*.index.docker.io', 'write docker.io'],
  ['SCOPE_ALIAS', 'trow.local:31000/prod', 'write @trow/prod'],
  ['SCOPE_ALIAS', 'TROW.local:31000', 'write @trow'],
  ['SCOPE_CANON', 'ghcr.io:443/x', 'write ghcr.io/x'],
  ['SCOPE_CANON', '[2001:0db8::1]/x', 'write [2001:db8::1]/x'],
  ['SCOPE_CANON', '*.corp.example:443', 'write *.corp.example'],
  ['SCOPE_CANON', 'ghcr.io:05000', 'write ghcr.io:5000'],
  ['SCOPE_SYNTAX', 'ghcr.io /x', 'visible characters of ASCII'],
  ['SCOPE_SYNTAX', 'ghcr.io/x\n', 'visible characters of ASCII'],
  ['SCOPE_SYNTAX', 'аpple.com', 'visible characters of ASCII'],
  ['SCOPE_SYNTAX', `ghcr.io/${'a/'.repeat(300)}a`, 'visible characters of ASCII'],
  ['SCOPE_SYNTAX', '@trowx', 'may begin with @'],
  ['SCOPE_SYNTAX', '@other/x', 'may begin with @'],
  ['SCOPE_HOST', '*evil.com', 'HOST:PORT or *.DOMAIN'],
  ['SCOPE_HOST', 'nginx:latest/x', 'HOST:PORT or *.DOMAIN'],
  ['SCOPE_HOST', '_a:b', 'HOST:PORT or *.DOMAIN'],
  ['SCOPE_HOST', 'nginx:-x', 'HOST:PORT or *.DOMAIN'],
  ['SCOPE_HOST', '*/x', 'HOST:PORT or *.DOMAIN'],
  ['SCOPE_HOST', 'a_b.com/x', 'HOST:PORT or *.DOMAIN'],
  ['SCOPE_HOST', 'registry:443', 'a port other than 443'],
  ['SCOPE_HOST', 'registry:443/x', 'a port other than 443'],
  ['SCOPE_HOST', '1.2.3/x', 'four plain decimal numbers'],
  ['SCOPE_HOST', 'ghcr.io:0', 'between 1 and 65535'],
  ['SCOPE_HOST', '*.1.2.3.4', 'write it whole'],
  ['SCOPE_HOST', '*.[::1]', 'write it whole'],
  ['SCOPE_HOST', '*.a_b.com', 'is no domain'],
  ['SCOPE_HOST', '*.2.3.4', 'four plain decimal numbers'],
]

function scope(text: string): Scope {
  const parsed = parseScope(text, own)
  assert.equal(parsed.kind, 'scope', text)
  return parsed as Scope
}

function place(text: string): { host: string; path: string } {
  const reference = parseImageReference(text, settings)
  assert.equal(reference.kind, 'reference', text)
  return reference as { kind: 'reference'; host: string; path: string }
}

suite('scopes', () => {
  test('each canonical scope is taken', () => {
    for (const text of good) assert.equal(scope(text).text, text)
  })

  test('each other spelling is refused by its code, with what to write', () => {
    for (const [code, text, end] of bad) {
      const problem = parseScope(text, own)
      assert.equal(problem.kind === 'problem' && problem.code, code, text)
      assert.ok(problem.kind === 'problem' && problem.message.endsWith(end), JSON.stringify(problem))
    }
  })

  test('what is proposed is taken', () => {
    for (const [, text] of bad) {
      const problem = parseScope(text, own)
      const [, proposed] = (problem.kind === 'problem' && /write (?:")?([^" ]+)/.exec(problem.message)) || []
      if (proposed !== undefined && !proposed.includes('://') && /^[@*a-z0-9[].*[./\]]/.test(proposed))
        scope(proposed.replace(/,$/, ''))
    }
  })

  test('the most specific scope decides: the host before the domain, the longer domain, everything, then the path', () => {
    const index = new ScopeIndex<string>()
    const texts = [
      '*',
      '@trow',
      '@trow/prod',
      'ghcr.io',
      'ghcr.io/acme',
      'ghcr.io/acme/app/deep',
      '*.corp.example',
      '*.corp.example/team/x',
      '*.b.corp.example',
      'a.corp.example/only',
      '*.corp.example:8443',
    ]
    for (const text of texts) index.set(scope(text), text)
    for (const [name, expected] of [
      ['evil.com/x', '*'],
      ['trow.local:31000/x', '@trow'],
      ['trow.local:31000/prod/x', '@trow/prod'],
      ['ghcr.io/x', 'ghcr.io'],
      ['ghcr.io/acme', 'ghcr.io/acme'],
      ['ghcr.io/acme/app', 'ghcr.io/acme'],
      ['ghcr.io/acme/app/deep/er', 'ghcr.io/acme/app/deep'],
      ['ghcr.io/acme/appx/deep', 'ghcr.io/acme'],
      ['x.corp.example/team/x', '*.corp.example/team/x'],
      // The longer domain takes precedence, however deep the path below the shorter one is.
      ['x.b.corp.example/team/x', '*.b.corp.example'],
      ['a.corp.example/only', 'a.corp.example/only'],
      // The host has a scope, but none that covers the path.
      ['a.corp.example/other', '*.corp.example'],
      ['a.corp.example:8443/x', '*.corp.example:8443'],
      ['corp.example/x', '*'],
      ['xcorp.example/x', '*'],
    ] as const)
      assert.equal(index.find(place(name)), expected, name)
    assert.deepEqual(index.covering(place('x.b.corp.example/team/x')).toSorted(), [
      '*',
      '*.b.corp.example',
      '*.corp.example',
      '*.corp.example/team/x',
    ])
    assert.equal(index.get(scope('ghcr.io/acme')), 'ghcr.io/acme')
    assert.equal(index.get(scope('ghcr.io/acme/app')), undefined)
  })

  test('names of objects are names like others', () => {
    const index = new ScopeIndex<string>()
    for (const path of ['constructor', 'proto', 'tostring'])
      assert.equal(index.find({ host: 'ghcr.io', path }), undefined)
    index.set(scope('ghcr.io/constructor'), 'x')
    assert.equal(index.find({ host: 'ghcr.io', path: 'constructor/y' }), 'x')
    assert.equal(index.find({ host: '__proto__', path: 'x' }), undefined)
  })

  test('the index finds what a comparison one by one finds', () => {
    let found = 0
    fc.assert(
      fc.property(fc.uniqueArray(anyScope, { maxLength: 8 }), anyName, (texts, name) => {
        const reference = parseImageReference(name, settings)
        if (reference.kind === 'problem') return
        const index = new ScopeIndex<string>()
        for (const text of texts) index.set(scope(text), text)
        const covering = texts.filter((text) => covers(text, reference)).toSorted()
        assert.deepEqual(index.covering(reference).toSorted(), covering)
        const best = index.find(reference)
        assert.equal(best === undefined, covering.length === 0)
        if (best === undefined) return
        found++
        for (const other of covering) assert.ok(rank(best) >= rank(other), `${best} ${other}`)
      }),
      { numRuns: 3000, seed: 1 },
    )
    assert.ok(found > 500, String(found))
  })
})

function covers(text: string, { host, path }: { host: string; path: string }): boolean {
  if (text === '*') return true
  const slash = text.indexOf('/')
  const [head, below] = slash < 0 ? [text, ''] : [text.slice(0, slash), text.slice(slash + 1)]
  const isHost = head.startsWith('*.') ? host.endsWith(head.slice(1)) : host === head
  return isHost && (below === '' || path === below || path.startsWith(`${below}/`))
}

function rank(text: string): number {
  const [head = '', ...segments] = text.split('/')
  const hostRank = head === '*' ? 0 : head.startsWith('*.') ? head.length : 1000
  return hostRank * 1000 + segments.length
}
