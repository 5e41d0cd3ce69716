import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { printTable } from '../../src/cli/table.ts'
import { humanSize } from '../../src/settings/quantities.ts'
import { connectClient, type Client } from '../crash/http-client.ts'
import { checkLines, checkResult } from '../support/check-result.ts'
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
    const all = await runCommand(['list', host])
    const today = new Date().toISOString().slice(0, 10)
    const bytes = checkResult(
      'RepositoryUsage',
      (await runCommand(['du', `${host}/team/app`, '-o', 'json'])).stdout,
    ).bytes
    assert.equal(
      all.stdout,
      printTable([
        ['REPOSITORY', 'TAGS', 'SIZE', 'PUSHED'],
        ['team/app', '2', humanSize(bytes), today],
      ]),
    )
    assert.equal(all.stderr, '1 repository\n')
    const { items } = checkResult('RepositoryList', (await runCommand(['list', host, '-o', 'json'])).stdout)
    assert.deepEqual([items[0]?.tags, items[0]?.bytes], [2, bytes])
    assert.equal((await runCommand(['list', host, '-o', 'name'])).stdout, 'team/app\n')
    const { stdout } = await runCommand(['list', 'team/app'], { env: { TROW_REGISTRY: server.url } })
    assert.match(
      stdout,
      /^TAG +DIGEST +SIZE +PLATFORMS +CREATED\nv1 +sha256:\w{64} +\d+ B +linux\/arm64 +2026-01-02\n/,
    )
    const { stdout: json } = await runCommand(['list', `${host}/team/app`, '-o', 'json'])
    assert.equal(checkResult('TagList', json).items[0]?.digest, digest)
  })

  test('tag gives more tags to the same bytes, by tag and by digest, and moves one that exists', async () => {
    const bytes = async (reference: string): Promise<string> =>
      (await client.request('GET', `/v2/team/tagged/manifests/${reference}`)).body.toString()
    const [first, second] = [await pushImage('team/tagged', 'one'), await pushImage('team/tagged', 'two')]
    const byTag = await runCommand(['tag', `${host}/team/tagged:one`, 'a', 'b', 'a'])
    const printed = await runCommand(['tag', `${host}/team/tagged:one`, 'a', '-o', 'json'])
    assert.deepEqual(checkResult('Tagging', printed.stdout).tags, ['a'])
    assert.equal(byTag.stdout, `team/tagged:a@${first}\nteam/tagged:b@${first}\n`)
    assert.equal(await bytes('b'), await bytes('one'))
    const moved = await runCommand(['tag', `${host}/team/tagged@${second}`, 'a'])
    assert.equal(moved.code, 0, moved.stderr)
    assert.equal(await bytes('a'), await bytes('two'))
    assert.equal(await bytes('b'), await bytes('one'))
  })

  test('tag changes nothing when a name is wrong', async () => {
    const missing = await runCommand(['tag', `${host}/team/tagged:nope`, 'c'])
    assert.equal(missing.code, 1)
    assert.match(missing.stderr, /team\/tagged:nope is not in the registry \(NOT_FOUND\)/)
    const wrong = await runCommand(['tag', `${host}/team/tagged:one`, 'c', 'team/app:2'])
    assert.equal(wrong.code, 2)
    assert.match(wrong.stderr, /"team\/app:2" is no tag.*\(REFERENCE_INVALID\)/)
    assert.equal((await client.request('GET', '/v2/team/tagged/manifests/c')).status, 404)
  })

  test('inspect shows platforms, sizes and the tree of referrers', async () => {
    const { stdout, code } = await runCommand(['inspect', `${host}/team/app:v1`])
    assert.equal(code, 0)
    assert.match(stdout, new RegExp(`digest +${digest}`))
    assert.match(stdout, /platforms +linux\/arm64/)
    assert.match(stdout, /referrers\n {4}sha256:\w{64} {2}application\/vnd\.oci\.image\.config/)
    const { stdout: json } = await runCommand(['inspect', `${host}/team/app@${digest}`, '-o', 'json'])
    assert.equal(checkResult('Image', json).referrers.length, 1)
  })

  test('rm removes a tag, and says what went', async () => {
    await runCommand(['tag', `${host}/team/app:v2`, 'v3'])
    const removed = await runCommand(['rm', '--yes', `${host}/team/app:v3`, '-o', 'json'])
    const { tag, isManifestKept } = checkResult('Removal', removed.stdout)
    assert.deepEqual([tag, isManifestKept], ['v3', true])
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

  test('what only a tag was taken from is told, listed, and goes by digest', async () => {
    const kept = await pushImage('team/kept', 'kept-1')
    await pushImage('team/kept', 'kept-2')
    const again = await client.request('GET', `/v2/team/kept/manifests/${kept}`)
    const headers = { 'content-type': imageType }
    await client.request('PUT', `/v2/team/kept/manifests/again`, { body: again.body, headers })
    const list = () => runCommand(['list', `${host}/team/kept`, '--untagged'])
    assert.match((await list()).stderr, /^nothing in team\/kept is untagged\n$/)
    const first = await runCommand(['rm', '-y', `${host}/team/kept:again`])
    assert.match(first.stdout, /\n {2}the manifest is kept: another tag, an index or its subject needs it\n$/)
    const { stdout } = await runCommand(['rm', '-y', `${host}/team/kept:kept-1`])
    assert.match(stdout, /\n {2}the manifest is kept: no rule of `untagged` is set for team\/kept\n/)
    const config = (JSON.parse(again.body.toString()) as { config: { size: number } }).config.size
    const hint = `  trow rm ${host}/team/kept@${kept} removes it and frees ${again.body.length + config} B\n`
    assert.ok(stdout.endsWith(hint), stdout)
    const table = await list()
    assert.match(
      table.stdout,
      new RegExp(`^DIGEST +FREES +UNTAGGED FOR +TYPE\n${kept} +\\d+ B +\\d+s +image\n$`),
    )
    assert.match(table.stderr, /no rule of `untagged` is set for team\/kept: they stay/)
    const json = await runCommand(['list', `${host}/team/kept`, '--untagged', '-o', 'json'])
    const { items } = checkResult('UntaggedManifestList', json.stdout)
    const lines = await runCommand(['list', `${host}/team/kept`, '--untagged', '-o', 'jsonl'])
    assert.equal(checkLines('UntaggedManifest', lines.stdout).length, items.length)
    assert.deepEqual(items.map(({ digest: each, frees }) => [each, frees]), [[kept, again.body.length + config]]) // prettier-ignore
    const data = join(folder, 'data')
    for (const args of [['--dry-run'], []]) {
      const gc = await runCommand(['gc', '--data', data, ...args])
      assert.match(
        gc.stdout,
        /\n\d+ untagged manifests? (is|are) kept: no rule of `untagged` is set for team\//,
      )
    }
    assert.equal((await runCommand(['rm', '-y', `${host}/team/kept@${kept}`])).code, 0)
    assert.match((await list()).stderr, /nothing in team\/kept is untagged/)
  })

  test('a rule says when what is untagged goes', async () => {
    const config = join(folder, 'trow.yaml')
    writeFileSync(config, 'untagged: [{ repositories: "ci/**", after: 7d }]')
    const data = join(folder, 'ruled')
    const ruled = await startedServer({ data, args: ['--config', config] })
    const usual = client
    client = connectClient(ruled.url)
    try {
      await pushImage('ci/app', 'v1')
      const at = new URL(ruled.url).host
      const { stdout } = await runCommand(['rm', '-y', `${at}/ci/app:v1`])
      assert.match(stdout, /the manifest is kept: trow gc takes it after 7d, 20[\d-]+T[\d:.]+Z\n/)
      const { stderr } = await runCommand(['list', `${at}/ci/app`, '--untagged'])
      assert.match(stderr, /^trow gc takes them after 7d \(a rule of `untagged`\)/)
      assert.doesNotMatch((await runCommand(['gc', '--data', data])).stdout, /kept/)
    } finally {
      client.close()
      client = usual
      await ruled.stop()
    }
  })

  test('inspect shows since when, and where the tag pointed before', async () => {
    const [a, b] = [await pushImage('team/moved', 'v1'), await pushImage('team/moved', 'v2')]
    const move = async (reference: string, tag: string): Promise<void> => {
      const { body } = await client.request('GET', `/v2/team/moved/manifests/${reference}`)
      const headers = { 'content-type': imageType }
      await client.request('PUT', `/v2/team/moved/manifests/${tag}`, { body, headers })
    }
    const time = '20[\\d-]+T[\\d:.]+Z'
    const inspect = async (...args: string[]): Promise<string> =>
      (await runCommand(['inspect', ...args])).stdout
    const fresh = await inspect(`${host}/team/moved:v1`)
    assert.match(
      fresh,
      new RegExp(`\n  first seen  ${time}(, pushed by .+)?\n  tagged      ${time}.*\n  config`),
    )
    await move(b, 'v1')
    const moved = await inspect(`${host}/team/moved:v1`)
    assert.match(moved, new RegExp(`\n  tagged .*\n  before      ${a}  ${time} to ${time}.*\n  config`))
    for (let times = 0; times < 6; times++) {
      await move(a, 'v1')
      await move(b, 'v1')
    }
    const often = await inspect(`${host}/team/moved:v1`)
    assert.equal(often.match(/^  before      sha256:/gm)?.length, 10)
    assert.match(often, /\n  before      3 more: -o json shows them\n/)
    assert.doesNotMatch(await inspect(`${host}/team/moved@${b}`), /tagged|before/)
    const json = checkResult('Image', await inspect(`${host}/team/moved:v1`, '-o', 'json'))
    assert.deepEqual([json.firstSeen?.atLatest, json.targets?.length], [false, 14])
  })

  test('inspect says "at the latest" of what was there before history was kept', async () => {
    const { historyLines } = await import('../../src/cli/registry/history.ts')
    const since = '2026-01-02T03:04:05.000Z'
    const lines = historyLines({ firstSeen: { since, atLatest: true }, targets: undefined })
    assert.deepEqual(lines, [`  first seen  ${since} at the latest`])
    assert.deepEqual(historyLines({ firstSeen: undefined, targets: undefined }), [])
  })

  const refusals: readonly (readonly [args: (host: string) => string[], code: number, message: RegExp])[] = [
    [(at) => ['inspect', `${at}/team/app:none`], 1, /NOT_FOUND/],
    [(at) => ['list', `${at}/team/none`], 1, /NOT_FOUND/],
    [(at) => ['list', `${at}/team/none`, '--untagged'], 1, /NOT_FOUND/],
    [(at) => ['list', at, '--untagged'], 2, /REFERENCE_INVALID/],
    [(at) => ['list', `${at}/team/app:v1`, '--untagged'], 2, /REFERENCE_INVALID/],
    [(at) => ['rm', `${at}/team/app:v1`], 2, /CONFIRMATION_NEEDED/],
    [(at) => ['rm', '-y', `${at}/team/app`], 2, /REFERENCE_INVALID/],
    [(at) => ['inspect', `${at}/Team/app:1`], 2, /REFERENCE_INVALID/],
    [() => ['list', '127.0.0.1:1'], 69, /REGISTRY_UNREACHABLE/],
    [(at) => ['list', `https://${at}`], 69, /does not speak TLS \(REGISTRY_SPEAKS_HTTP\)/],
    [() => ['list', 'http://registry.example.com'], 2, /PLAIN_HTTP_REFUSED/],
    [(at) => ['list', at, '--context', 'x'], 2, /names a registry, and --context a cluster/],
    [(at) => ['list', `${at}/a`, '--registry', 'other:1'], 2, /are two registries \(HOST_INVALID\)/],
    [(at) => ['list', at, '--password-stdin'], 2, /needs a user name \(OPTIONS_CONFLICT\)/],
    [(at) => ['list', at, '--username', 'ada'], 2, /PASSWORD_MISSING/],
    [() => ['list', 'registry.example.com', '--ca', 'package.json'], 2, /CA_INVALID/],
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
    assert.equal(typeof checkResult('Version', stdout).trow, 'string')
  })
  test('no command, an unknown one, and help', async () => {
    assert.equal((await runCommand([])).code, 2)
    const unknown = await runCommand(['serv'])
    assert.equal(unknown.code, 2)
    assert.match(unknown.stderr, /Did you mean serve/)
    assert.equal((await runCommand(['--help'])).code, 0)
  })
})

test('an empty list says that a login may show more, where nobody is logged in', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'trow-empty-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  const empty = await startedServer({ data: join(folder, 'empty') })
  try {
    const host = new URL(empty.url).host
    const { code, stdout, stderr } = await runCommand(['list', host])
    assert.deepEqual([code, stdout], [0, ''])
    assert.equal(stderr, 'nothing is in the registry, or nothing that is shown without a login\n')
    const given = ['list', host, '--username', 'ada', '--password-stdin']
    assert.equal((await runCommand(given, { input: 'secret' })).stderr, 'nothing is in the registry\n')
  } finally {
    await empty.stop()
  }
})
