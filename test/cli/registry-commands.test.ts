import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { connectClient, type Client } from '../crash/http-client.ts'
import { runCommand } from '../support/run-trow.ts'
import { startedServer, type ServerProcess } from '../support/server-process.ts'

const imageType = 'application/vnd.oci.image.manifest.v1+json'

suite('trow list, inspect and rm', () => {
  let server: ServerProcess
  let client: Client
  let folder = ''
  let host = ''
  let digest = ''

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'trow-commands-'))
    server = await startedServer({ data: join(folder, 'data') })
    host = new URL(server.url).host
    client = connectClient(server.url)
    digest = await pushImage('team/app', 'v1')
    await pushImage('team/app', 'v2', { mediaType: imageType, digest, size: 1 })
  })
  after(async () => {
    client.close()
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  async function pushImage(repository: string, tag: string, subject?: object): Promise<string> {
    const config = Buffer.from(
      JSON.stringify({ os: 'linux', architecture: 'arm64', created: '2026-01-02T03:04:05Z', tag }),
    )
    const sha256 = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    await client.request('POST', `/v2/${repository}/blobs/uploads/?digest=${sha256(config)}`, {
      body: config,
    })
    const body = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: imageType,
        config: {
          mediaType: 'application/vnd.oci.image.config.v1+json',
          digest: sha256(config),
          size: config.length,
        },
        layers: [],
        subject,
      }),
    )
    const headers = { 'content-type': imageType }
    const answer = await client.request('PUT', `/v2/${repository}/manifests/${tag}`, { body, headers })
    assert.equal(answer.status, 201)
    return sha256(body)
  }

  test('list shows repositories, and tags with size and platform', async () => {
    assert.equal((await runCommand(['list', host])).stdout, 'team/app\n')
    const { stdout } = await runCommand(['list', 'team/app'], { env: { TROW_REGISTRY: server.url } })
    assert.match(
      stdout,
      /^TAG +DIGEST +SIZE +PLATFORMS +CREATED\nv1 +sha256:\w{12} +\d+ B +linux\/arm64 +2026-01-02\n/,
    )
    const { stdout: json } = await runCommand(['list', `${host}/team/app`, '-o', 'json'])
    assert.equal((JSON.parse(json) as { digest: string }[])[0]?.digest, digest)
  })

  test('inspect shows platforms, sizes and the tree of referrers', async () => {
    const { stdout, code } = await runCommand(['inspect', `${host}/team/app:v1`])
    assert.equal(code, 0)
    assert.match(stdout, new RegExp(`digest +${digest}`))
    assert.match(stdout, /platforms +linux\/arm64/)
    assert.match(stdout, /referrers\n {4}sha256:\w{64} {2}application\/vnd\.oci\.image\.config/)
    const { stdout: json } = await runCommand(['inspect', `${host}/team/app@${digest}`, '-o', 'json'])
    assert.equal((JSON.parse(json) as { referrers: unknown[] }).referrers.length, 1)
  })

  test('rm removes a tag, and says what went', async () => {
    const { stdout } = await runCommand(['rm', '--yes', `${host}/team/app:v2`])
    assert.match(stdout, /removed the tag team\/app:v2 \(sha256:/)
    assert.doesNotMatch((await runCommand(['list', `${host}/team/app`])).stdout, /v2/)
  })

  test('rm of what another manifest needs says which one', async () => {
    const needed = await pushImage('team/multi', 'amd64')
    const got = await client.request('GET', `/v2/team/multi/manifests/${needed}`)
    const manifests = [{ mediaType: imageType, digest: needed, size: got.body.length }]
    const type = 'application/vnd.oci.image.index.v1+json'
    const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, manifests }))
    const index = `sha256:${createHash('sha256').update(body).digest('hex')}`
    const headers = { 'content-type': type }
    const put = await client.request('PUT', `/v2/team/multi/manifests/all`, { body, headers })
    assert.equal(put.status, 201, put.body.toString())
    const rm = (digest: string) => runCommand(['rm', '--yes', `${host}/team/multi@${digest}`])
    const refused = await rm(needed)
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /MANIFEST_KEPT/)
    assert.match(refused.stderr, new RegExp(`manifest ${index} of this repository needs it`))
    assert.match(refused.stderr, /index first, then its children/)
    assert.equal((await rm(index)).code, 0)
    assert.equal((await rm(needed)).code, 0)
  })

  const refusals: readonly (readonly [args: (host: string) => string[], code: number, message: RegExp])[] = [
    [(at) => ['inspect', `${at}/team/app:none`], 1, /NOT_FOUND/],
    [(at) => ['list', `${at}/team/none`], 1, /NOT_FOUND/],
    [(at) => ['rm', `${at}/team/app:v1`], 2, /CONFIRMATION_NEEDED/],
    [(at) => ['rm', '-y', `${at}/team/app`], 2, /REFERENCE_INVALID/],
    [(at) => ['inspect', `${at}/Team/app:1`], 2, /REFERENCE_INVALID/],
    [() => ['list', '127.0.0.1:1'], 69, /REGISTRY_UNREACHABLE/],
    [(at) => ['list', `https://${at}`], 69, /REGISTRY_UN/],
    [() => ['list', '--ca', '/nonexistent', 'example.com'], 1, /FILE_MISSING/],
  ]
  for (const [args, code, message] of refusals) {
    test(`refuses in words: trow ${args('HOST').join(' ')}`, async () => {
      const result = await runCommand(args(host))
      assert.match(result.stderr, message)
      assert.equal(result.code, code)
    })
  }
})

suite('small commands', () => {
  test('version', async () => {
    assert.match((await runCommand(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/)
    assert.match((await runCommand(['version'])).stdout, /^trow \d+\.\d+\.\d+ \(Node 2\d/)
    const { stdout } = await runCommand(['version', '-o', 'json'])
    assert.equal(typeof (JSON.parse(stdout) as { trow: string }).trow, 'string')
  })
  test('no command, an unknown one, and help', async () => {
    assert.equal((await runCommand([])).code, 2)
    const unknown = await runCommand(['serv'])
    assert.equal(unknown.code, 2)
    assert.match(unknown.stderr, /Did you mean serve/)
    assert.equal((await runCommand(['--help'])).code, 0)
  })
})
