import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, before, beforeEach, suite, test } from 'node:test'
import { checkLines, checkResult } from '../../support/check-result.ts'
import { runCommand } from '../../support/run-trow.ts'

const sha256 = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`
const image = 'application/vnd.oci.image.manifest.v1+json'
const index = 'application/vnd.oci.image.index.v1+json'

/** By path and digest. */
const blobs = new Map<string, string>()
const manifests = new Map<string, { readonly type: string; readonly body: string }>()

function addManifest(type: string, content: object): { readonly digest: string; readonly size: number } {
  const body = JSON.stringify({ schemaVersion: 2, mediaType: type, ...content })
  manifests.set(sha256(body), { type, body })
  return { digest: sha256(body), size: body.length }
}

function addImage(config: object, layers: readonly object[] = []): { digest: string; size: number } {
  const text = JSON.stringify(config)
  blobs.set(sha256(text), text)
  const descriptor = {
    mediaType: 'application/vnd.oci.image.config.v1+json',
    digest: sha256(text),
    size: text.length,
  }
  return addManifest(image, { config: descriptor, layers })
}

const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: sha256('l'), size: 1000 }
const runs = {
  User: '1000',
  Env: ['PATH=/bin', 'A=b c'],
  Entrypoint: ['/bin/sh', '-c'],
  Cmd: ['echo "hi"'],
  WorkingDir: '/srv',
  Labels: { 'org.example.team': 'a' },
  ExposedPorts: { '80/tcp': {} },
}
const history = [{ created: '2026-01-01T00:00:00Z', created_by: 'COPY . /srv' }, { empty_layer: true }]
const created = '2026-03-04T05:06:07Z'
const built = (architecture: string): object => ({
  os: 'linux',
  architecture,
  created,
  config: { ...runs, Env: [...runs.Env, `ARCH=${architecture}`] },
  history,
})
/** `linux/amd64` and `linux/arm64`. */
const children = ['amd64', 'arm64'].map((architecture) => ({
  mediaType: image,
  ...addImage(built(architecture), [layer]),
  platform: { os: 'linux', architecture },
}))
const multi = addManifest(index, { manifests: children })
/** 400 images of their own, and one that is an index. */
const tags = new Map<string, string>([['multi', multi.digest]])
for (let count = 0; count < 400; count++)
  tags.set(`t${count}`, addImage({ os: 'linux', architecture: 'arm', count }).digest)
const sorted = [...tags.keys()].sort()

let [asked, atOnce, most] = [0, 0, 0]
const registry: RequestListener = (request, response) => {
  void answer(request.url ?? '').then(({ status = 200, headers = {}, body = '' }) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(body)
  })
}

interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

async function answer(path: string): Promise<Answer> {
  asked++
  most = Math.max(most, ++atOnce)
  await sleep(3)
  atOnce--
  const url = new URL(path, 'http://x')
  const [, name = ''] = /\/(?:blobs|manifests)\/([^/]+)$/.exec(url.pathname) ?? []
  if (url.pathname.endsWith('/_catalog')) return { body: JSON.stringify({ repositories: ['a', 'b'] }) }
  if (url.pathname === '/v2/a/tags/list') {
    const size = Number(url.searchParams.get('n'))
    const from = sorted.findIndex((tag) => tag > (url.searchParams.get('last') ?? ''))
    const page = from < 0 ? [] : sorted.slice(from, from + size)
    const link = { link: `</v2/a/tags/list?n=${size}&last=${page.at(-1)}>; rel="next"` }
    const isLast = page.at(-1) === sorted.at(-1) || page.length === 0
    return { headers: isLast ? {} : link, body: JSON.stringify({ tags: page }) }
  }
  if (url.pathname === '/v2/b/tags/list') return { status: 403, body: '{"errors":[{"code":"DENIED"}]}' }
  const blob = blobs.get(name)
  if (url.pathname.includes('/blobs/') && blob !== undefined) return { body: blob }
  const found = manifests.get(tags.get(name) ?? name)
  return found === undefined
    ? { status: 404, body: '{}' }
    : { headers: { 'content-type': found.type }, body: found.body }
}

suite('trow list and inspect', () => {
  const server = createServer(registry)
  let host = ''
  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  beforeEach(() => {
    ;[asked, most] = [0, 0]
  })

  test('401 tags are looked up several at a time, each image and config once', async () => {
    const { stdout, stderr } = await runCommand(['list', `${host}/a`])
    assert.equal(stdout.match(/\n/g)?.length, 402)
    assert.equal(stderr, '401 tags\n')
    assert.match(stdout, /^multi +sha256:\w{64} +2\.\d kB +linux\/amd64,linux\/arm64 +2026-03-04$/m)
    // Five pages, 401 manifests and 400 configs, and of the index two images and one config.
    assert.equal(asked, 5 + 401 + 400 + 3)
    assert.ok(most > 4 && most <= 8, `${most} at once`)
  })

  test('a page ends where --limit says, and says how to go on', async () => {
    const { stdout, stderr } = await runCommand(['list', `${host}/a`, '--limit', '2', '--after', 't98'])
    assert.match(stdout, /^TAG .*\nt99 .*\n$/)
    assert.equal(stderr, '1 tag\n')
    const first = await runCommand(['list', `${host}/a`, '--limit', '2'])
    assert.match(first.stdout, /^TAG .*\nmulti .*\nt0 .*\n$/)
    assert.equal(first.stderr, `2 tags, and there are more: trow list ${host}/a --after t0\n`)
    assert.equal(asked, 1 + 2 + 1 + 4 + 2)
    const json = await runCommand(['list', `${host}/a`, '--limit', '2', '-o', 'json'])
    assert.equal(checkResult('TagList', json.stdout).next, 't0')
    const all = await runCommand(['list', `${host}/a`, '--limit', '401', '-o', 'yaml'])
    const { items, next } = checkResult('TagList', all.stdout)
    assert.deepEqual([items.length, next], [401, undefined])
  })

  test('lines and names are printed as they come, and names need no image', async () => {
    const lines = await runCommand(['list', `${host}/a`, '-o', 'jsonl', '--limit', '3'])
    assert.deepEqual(
      checkLines('Tag', lines.stdout).map(({ tag }) => tag),
      sorted.slice(0, 3),
    )
    const names = await runCommand(['list', host, '-o', 'name'])
    assert.equal(names.stdout, 'a\nb\n')
  })

  test('repositories have the number of their tags, where that may be asked', async () => {
    const { stdout } = await runCommand(['list', host])
    assert.equal(stdout, 'REPOSITORY  TAGS\na            401\nb              -\n')
    const json = await runCommand(['list', host, '-o', 'json'])
    assert.deepEqual(checkResult('RepositoryList', json.stdout).items, [
      { repository: 'a', tags: 401 },
      { repository: 'b' },
    ])
    const lines = await runCommand(['list', host, '-o', 'jsonl', '--after', 'a', '--limit', '1'])
    assert.equal(checkLines('Repository', lines.stdout).length, 1)
  })

  test('inspect shows how an image runs and was made', async () => {
    const reference = `${host}/a@${children[0]?.digest}`
    const { stdout } = await runCommand(['inspect', reference])
    for (const line of [
      'user        1000',
      'directory   /srv',
      'entrypoint  /bin/sh -c',
      String.raw`cmd         "echo \"hi\""`,
      'ports       80/tcp',
      'env         A=b c',
      'label       org.example.team=a',
      'history     2026-01-01  COPY . /srv',
    ])
      assert.ok(stdout.includes(`\n  ${line}\n`), `${line}\n${stdout}`)
    const narrow = await runCommand(['inspect', reference], { columns: 36 })
    assert.match(narrow.stdout, /\n {2}history {5}2026-01-01 {2}COPY \. \/…\n/)
    const { image: shown } = checkResult(
      'Image',
      (await runCommand(['inspect', reference, '-o', 'yaml'])).stdout,
    )
    assert.deepEqual(shown?.cmd, ['echo "hi"'])
    assert.deepEqual(
      shown?.history.map(({ emptyLayer }) => emptyLayer),
      [false, true],
    )
  })

  test('inspect of an index shows the image of one platform', async () => {
    const inspect = async (...args: string[]) => runCommand(['inspect', `${host}/a:multi`, ...args])
    const arm = await inspect('--platform', 'linux/arm64')
    assert.match(arm.stdout, new RegExp(`\n  image       linux/arm64  ${children[1]?.digest}\n`))
    assert.match(arm.stdout, /\n {2}env {9}ARCH=arm64\n/)
    const { image: shown } = checkResult('Image', (await inspect('-o', 'json')).stdout)
    assert.equal(shown?.platform, process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64')
    const none = await inspect('--platform', 'linux/s390x')
    assert.equal(none.code, 1)
    assert.match(none.stderr, /PLATFORM_MISSING\)\n {2}It has: linux\/amd64, linux\/arm64\./)
  })
})
