import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { providerProgram } from '../../../src/trust/kubelet/provide-tokens.ts'
import { findProgram } from '../../requirements.ts'

const version = 'credentialprovider.kubelet.k8s.io/v1'
const hosts = ['trow.trow.svc', 'trow.trow.svc:443']
const request = {
  kind: 'CredentialProviderRequest',
  apiVersion: version,
  image: 'trow.trow.svc/team-a/app:1',
  serviceAccountToken: 'eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOlsidHJvdyJdfQ.c2lnbmF0dXJl_-',
}

describe('trow-credential-provider', () => {
  const folder = mkdtempSync(join(tmpdir(), 'trow-provider-'))
  const program = join(folder, 'trow-credential-provider')
  before(() => {
    writeFileSync(program, providerProgram())
    chmodSync(program, 0o755)
  })
  after(() => rmSync(folder, { recursive: true }))

  /** Runs it as the kubelet does, or with another shell. */
  function run(
    input: string | Buffer,
    {
      args = hosts,
      shell = [],
    }: { readonly args?: readonly string[]; readonly shell?: readonly string[] } = {},
  ): { status: number | null; stdout: string; stderr: string } {
    const [command, ...rest] = [...shell, program, ...args]
    return spawnSync(command ?? program, rest, { input, encoding: 'utf8', env: {}, timeout: 20_000 })
  }
  const answer = (host: string, token = request.serviceAccountToken): object => ({
    kind: 'CredentialProviderResponse',
    apiVersion: version,
    cacheKeyType: 'Registry',
    cacheDuration: '0s',
    auth: { [host]: { username: 'serviceaccount', password: token } },
  })

  test('answers with the token for the host of the image, in either spelling', () => {
    for (const host of hosts) {
      const { status, stdout, stderr } = run(`${JSON.stringify({ ...request, image: `${host}/a/b:1` })}\n`)
      assert.equal(stderr, '')
      assert.equal(status, 0)
      assert.deepEqual(JSON.parse(stdout), answer(host))
    }
  })

  test('in every shell that nodes have, however the JSON is laid out', () => {
    const shells = [['sh'], ['busybox', 'sh'], ['bash', '--posix']].filter(
      ([name = '']) => findProgram(name) !== undefined,
    )
    assert.ok(shells.length > 0)
    for (const shell of shells.map(([name = '', ...rest]) => [findProgram(name) ?? '', ...rest])) {
      for (const input of [
        JSON.stringify(request),
        JSON.stringify(request, undefined, 2),
        `${JSON.stringify({ ...request, serviceAccountAnnotations: {} })}\r\n`,
      ]) {
        const { status, stdout } = run(input, { shell })
        assert.equal(status, 0, `${shell.join(' ')}: ${input}`)
        assert.deepEqual(JSON.parse(stdout), answer('trow.trow.svc'))
      }
    }
  })

  const refused: readonly (readonly [what: string, input: string | Buffer, args?: readonly string[]])[] = [
    ['nothing', ''],
    ['no JSON', 'give me a token'],
    ['another version', JSON.stringify({ ...request, apiVersion: 'credentialprovider.kubelet.k8s.io/v2' })],
    ['no token', JSON.stringify({ ...request, serviceAccountToken: '' })],
    ['no token at all', JSON.stringify({ kind: request.kind, apiVersion: version, image: request.image })],
    ['no registry in the image', JSON.stringify({ ...request, image: 'busybox' })],
    ['the host of somebody else', JSON.stringify({ ...request, image: 'evil.example.com/trow.trow.svc/a' })],
    ['a host that begins as ours', JSON.stringify({ ...request, image: 'trow.trow.svc.evil.example.com/a' })],
    ['no hosts', JSON.stringify(request), []],
    ['a host of shell words', JSON.stringify({ ...request, image: '$(id)`id`;id/a' }), ['$(id)`id`;id']],
    ['a token of shell words', JSON.stringify({ ...request, serviceAccountToken: '$(touch pwned)' })],
    ['a token that ends the JSON', JSON.stringify({ ...request, serviceAccountToken: 'a","x":"b' })],
    ['a token with a line break', JSON.stringify({ ...request, serviceAccountToken: 'a\nb' })],
    ['a token that is no string', JSON.stringify({ ...request, serviceAccountToken: { a: 'b' } })],
    [
      'a second token among annotations',
      JSON.stringify({ ...request, serviceAccountAnnotations: { serviceAccountToken: 'other' } }),
    ],
    ['a second image', `{"image":"trow.trow.svc/x",${JSON.stringify(request).slice(1)}`],
    ['bytes that are no text', Buffer.from([0, 255, 254, 34, 0, 10, 200])],
    ['more than there can be', `${JSON.stringify(request).slice(0, -1)},"x":"${'x'.repeat(200_000)}"}`],
  ]
  for (const [what, input, args = hosts] of refused) {
    test(`refuses ${what}: nothing on stdout, one line on stderr`, () => {
      const { status, stdout, stderr } = run(input, { args })
      assert.equal(status, 1)
      assert.equal(stdout, '')
      assert.match(stderr, /^trow-credential-provider: [^\n]*\n$/)
      assert.doesNotMatch(stderr, /eyJ/)
    })
  }

  test('whatever an annotation holds, it answers with the token or not at all', () => {
    const hostile = fc.oneof(
      fc.string(),
      fc.constantFrom(
        '"serviceAccountToken":"evil"',
        '","serviceAccountToken":"evil","x":"',
        '"image":"evil.example.com/a"',
        '\\"serviceAccountToken\\":\\"evil\\"',
        '\n"serviceAccountToken":"evil"\n',
      ),
    )
    fc.assert(
      fc.property(fc.dictionary(fc.string(), hostile), (annotations) => {
        const { status, stdout } = run(JSON.stringify({ ...request, serviceAccountAnnotations: annotations }))
        if (status === 0) assert.deepEqual(JSON.parse(stdout), answer('trow.trow.svc'))
        else assert.equal(stdout, '')
      }),
      { numRuns: 60 },
    )
  })
})
