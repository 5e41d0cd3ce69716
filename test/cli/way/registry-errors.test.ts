import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { issue } from '../../support/self-signed.ts'
import { runCommand } from '../../support/run-trow.ts'
import { manifestType, sha256, writeLayout } from './oci-layout.ts'

// The exact output for a user if a registry gives no usable answer. HOST stands for its address.

const manifest = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: { mediaType: 'a/b', digest: `sha256:${'0'.repeat(64)}`, size: 2 },
    layers: [],
  }),
)
const reason = (message: string, detail?: string): string => JSON.stringify({ errors: [{ message, detail }] })

type Reply = readonly [
  status: number,
  body?: string | Buffer,
  headers?: Readonly<Record<string, string | number>>,
]

/** Replies by the first matching prefix of the path; 404 for other paths. */
type Replies = Readonly<Record<string, Reply>>

interface Row {
  readonly what: string
  readonly replies: Replies
  readonly args: readonly string[]
  readonly code: number
  readonly stderr: string
}

const credentialsHint = 'Nobody is logged in there: trow login -u NAME HOST, or --username NAME here.'
const denied = (words: string, hint = credentialsHint): string =>
  `trow: http://HOST does not permit this${words} (REGISTRY_DENIED)\n  ${hint}\n`
const service = (words: string): string =>
  `trow: the registry's token service http://HOST: ${words} (REGISTRY_FAILED)\n` +
  '  The registry names this service for logins: whoever runs the registry knows why it fails.\n'
const challenge = (realm: string) => ({ 'www-authenticate': `Bearer realm="${realm}"` })
const audit = ['audit', 'query', '--registry', 'http://HOST']
const list = ['list', 'HOST/a']
const tags = (...reply: Reply): Replies => ({ '/v2/a/tags/list': reply })
const heads = { 'content-type': manifestType }

const rows: readonly Row[] = [
  {
    what: 'it wants credentials, and says why',
    replies: tags(401, reason('authentication required', 'who are you?')),
    args: list,
    code: 77,
    stderr: denied(': authentication required (who are you?)'),
  },
  {
    what: 'it says in the detail what it says in the message',
    replies: tags(403, reason('no right to pull a', 'no right to pull a: no rule gives it')),
    args: list,
    code: 77,
    stderr: denied(': no right to pull a: no rule gives it'),
  },
  { what: 'it forbids', replies: tags(403), args: list, code: 77, stderr: denied(' (403)') },
  {
    what: 'it breaks, and says no JSON',
    replies: tags(500, 'out of order'),
    args: list,
    code: 1,
    stderr: 'trow: http://HOST: it answered 500: out of order (REGISTRY_FAILED)\n',
  },
  {
    what: 'its JSON has another form',
    replies: tags(200, '{"tags":[7]}'),
    args: list,
    code: 1,
    stderr: 'trow: http://HOST: its answer: tags[0] is not text (REGISTRY_FAILED)\n',
  },
  {
    what: 'its next page is of somebody else',
    replies: tags(200, '{"tags":[]}', { link: '<http://127.0.0.2/v2/>; rel="next"' }),
    args: list,
    code: 1,
    stderr: 'trow: http://HOST: a Link leads to another host (REGISTRY_FAILED)\n',
  },
  {
    what: 'it sends another manifest',
    replies: { '/v2/a/manifests/': [200, manifest, heads] },
    args: ['inspect', `HOST/a@sha256:${'1'.repeat(64)}`],
    code: 1,
    stderr: `trow: http://HOST: it sent a manifest with the digest ${sha256(manifest)} for sha256:${'1'.repeat(64)} (REGISTRY_FAILED)\n`,
  },
  {
    what: 'it cuts an answer off',
    replies: tags(200, '{', { 'content-length': 7 }),
    args: list,
    code: 69,
    stderr:
      'trow: http://HOST cannot be reached: the connection was cut (REGISTRY_UNREACHABLE)\n' +
      '  Check the address, and whether the registry runs.\n',
  },
  {
    what: 'it keeps what is to go',
    replies: {
      'DELETE /v2/a/manifests/': [405, reason('another needs it')],
      '/v2/a/manifests/': [200, manifest, heads],
    },
    args: ['rm', '-y', `HOST/a@${sha256(manifest)}`],
    code: 1,
    stderr:
      'trow: http://HOST keeps it: another needs it (MANIFEST_KEPT)\n' +
      '  What another manifest needs goes after that one: an index first, then its children.\n',
  },
  {
    what: 'its token service breaks',
    replies: { ...tags(401, '', challenge('http://HOST/service')), '/service': [500] },
    args: list,
    code: 1,
    stderr: service('it answered 500'),
  },
  {
    what: 'its token service gives no token',
    replies: { ...tags(401, '', challenge('http://HOST/service')), '/service': [200, '{}'] },
    args: list,
    code: 1,
    stderr: service('its answer has no token'),
  },
  {
    what: 'its token service says no JSON',
    replies: { ...tags(401, '', challenge('http://HOST/service')), '/service': [200, 'token'] },
    args: list,
    code: 1,
    stderr: service('it is no JSON'),
  },
  {
    what: 'its token service is not reached over https',
    replies: tags(401, '', challenge('http://registry.invalid/service')),
    args: list,
    code: 1,
    stderr: service('it is not reached over https').replace('HOST', 'registry.invalid'),
  },
  {
    what: 'it has no audit log',
    replies: {},
    args: audit,
    code: 1,
    stderr:
      'trow: http://HOST shows no audit log (AUDIT_MISSING)\n' +
      '  It keeps none (setting audit), or is older than this command.\n',
  },
  {
    what: 'it forbids to read the audit',
    replies: { '/trow/v1/audit/': [403] },
    args: audit,
    code: 77,
    stderr: denied(
      ' (403)',
      'audit-readers of its configuration, or in a cluster ClusterRole trow-auditor, says who may read the audit.',
    ),
  },
  {
    what: 'it breaks when asked for the audit',
    replies: { '/trow/v1/audit/': [500, 'out of order'] },
    args: audit,
    code: 1,
    stderr: 'trow: http://HOST: it answered 500: out of order (REGISTRY_FAILED)\n',
  },
  {
    what: 'it sends no lines of an audit',
    replies: { '/trow/v1/audit/': [200, 'hello\n'] },
    args: audit,
    code: 1,
    stderr: 'trow: the registry sends no lines of an audit (SERVER_FAILED)\n',
  },
  {
    what: 'it sends a line of an audit that never ends',
    replies: { '/trow/v1/audit/': [200, Buffer.alloc(5 * 1024 * 1024, 0x61)] },
    args: audit,
    code: 1,
    stderr: 'trow: the registry sends no lines of an audit (SERVER_FAILED)\n',
  },
  {
    what: 'it cannot read its audit',
    replies: { '/trow/v1/audit/': [200, '{"error":"segment 3 cannot be read"}\n'] },
    args: audit,
    code: 1,
    stderr: 'trow: segment 3 cannot be read (SERVER_FAILED)\n',
  },
  {
    what: 'it ends an audit in the midst of a line',
    replies: { '/trow/v1/audit/': [200, '{"ki'] },
    args: audit,
    code: 69,
    stderr:
      'trow: the registry ended in the midst of a line before all was read (SERVER_FAILED)\n' +
      '  Run the command again.\n',
  },
  {
    what: 'it forbids a push',
    replies: { 'POST /v2/a/blobs/uploads/': [403, reason('not yours')] },
    args: ['push', 'LAYOUT', 'a:1', '--registry', 'http://HOST'],
    code: 77,
    stderr: `pushing to a:1\n${denied(': not yours')}`,
  },
  {
    what: 'it begins an upload and does not say where',
    replies: { 'POST /v2/a/blobs/uploads/': [202] },
    args: ['push', 'LAYOUT', 'a:1', '--registry', 'http://HOST'],
    code: 1,
    stderr: 'pushing to a:1\ntrow: http://HOST: it began an upload and did not say where (REGISTRY_FAILED)\n',
  },
]

suite('a registry gives no answer that can be used', () => {
  let replies: Replies = {}
  let folder = ''
  let host = ''
  const server = createServer((request, response) => respond(replies, host)(request, response))

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'trow-upstream-'))
    writeLayout(join(folder, 'layout'))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(() => {
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })

  for (const { what, args, code, stderr, ...row } of rows) {
    test(what, async () => {
      replies = row.replies
      const full = args.map((word) => word.replace('HOST', host).replace('LAYOUT', join(folder, 'layout')))
      const shown = await runCommand(full)
      assert.equal(shown.stderr.replaceAll(host, 'HOST'), stderr)
      assert.equal(shown.code, code)
    })
  }

  test('nobody listens', async () => {
    const { stderr, code } = await runCommand(['list', '127.0.0.1:1'])
    assert.equal(
      stderr,
      'trow: 127.0.0.1:1 cannot be reached: nothing listens there (REGISTRY_UNREACHABLE)\n' +
        '  Check the address, and whether the registry runs.\n',
    )
    assert.equal(code, 69)
  })

  test('nobody vouches for its certificate', async () => {
    const secured = createTlsServer(await issue('nobody', new Date(Date.now() + 3_600_000)))
    secured.listen(0, '127.0.0.1')
    await once(secured, 'listening')
    const origin = `https://127.0.0.1:${(secured.address() as AddressInfo).port}`
    try {
      const { stderr, code } = await runCommand(['list', origin])
      assert.equal(
        // Node adds its own advice.
        stderr.replace(/; if the root CA[^(]*(?= \()/, ''),
        `trow: the certificate of ${origin} is not trusted: self-signed certificate (REGISTRY_UNTRUSTED)\n` +
          '  Give the CA of the registry with --ca FILE.\n',
      )
      assert.equal(code, 69)
    } finally {
      secured.close()
    }
  })
})

function respond(replies: Replies, host: string): RequestListener {
  return (request, response) => {
    request.resume()
    const asked = [`${request.method} ${request.url}`, request.url ?? '']
    const found = Object.entries(replies).find(([start]) => asked.some((each) => each.startsWith(start)))
    const [status, body = '', headers = {}] = found?.[1] ?? [404]
    const filled = Object.entries(headers).map(([name, value]) => [name, String(value).replace('HOST', host)])
    response.writeHead(status, Object.fromEntries(filled) as Record<string, string>)
    // A reply with a larger content-length than its body is cut off.
    if ('content-length' in headers) response.write(body, () => response.destroy())
    else response.end(body)
  }
}
