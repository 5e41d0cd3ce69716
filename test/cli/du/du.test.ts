import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { missing } from '../../requirements.ts'
import { startDistribution } from '../../support/distribution.ts'
import {
  indexType,
  manifestType,
  putBlob,
  putImage,
  putIndex,
  putManifest,
  type PushedDescriptor,
} from '../../support/registry-content.ts'
import { checkResult } from '../../support/check-result.ts'
import { runCommand } from '../../support/run-trow.ts'
import { startedServer, type ServerProcess } from '../../support/server-process.ts'

const folder = mkdtempSync(join(tmpdir(), 'trow-du-'))
let trow: ServerProcess
let host = ''
before(async () => {
  trow = await startedServer({ data: join(folder, 'data') })
  host = new URL(trow.url).host
})
after(async () => {
  await trow.stop()
  rmSync(folder, { recursive: true, force: true })
})

const du = (...args: readonly string[]): ReturnType<typeof runCommand> => runCommand(['du', ...args])

const output = async (...args: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await du(...args, '-o', 'json')
  assert.equal(code, 0, stderr)
  return stdout
}
const ofImage = async (...args: readonly string[]) => checkResult('ImageUsage', await output(...args))
const ofRepository = async (...args: readonly string[]) =>
  checkResult('RepositoryUsage', await output(...args))
const ofRegistry = async (...args: readonly string[]) => checkResult('RegistryUsage', await output(...args))

/** An image with layers that are there already. */
async function putOf(
  base: string,
  repository: string,
  tag: string,
  layers: readonly PushedDescriptor[],
): Promise<{ readonly image: PushedDescriptor; readonly config: PushedDescriptor }> {
  const bytes = Buffer.from(
    JSON.stringify({ os: 'linux', architecture: 'amd64', of: `${repository}:${tag}` }),
  )
  const config = await putBlob(base, repository, bytes)
  const content = {
    schemaVersion: 2,
    mediaType: manifestType,
    config: { ...config, mediaType: 'application/vnd.oci.image.config.v1+json' },
    layers,
  }
  return { image: await putManifest(base, repository, content, tag), config }
}

const sum = (...parts: readonly PushedDescriptor[]): number => parts.reduce((all, { size }) => all + size, 0)
const bytes = (size: number, seed: string): Buffer => Buffer.alloc(size, seed)

const sources = [
  { name: 'trow', skip: false, start: async () => ({ url: trow.url, stop: async () => {} }) },
  {
    name: 'Distribution',
    skip: missing('registry'),
    start: () => startDistribution(join(folder, 'distribution')),
  },
] as const

for (const { name, skip, start } of sources) {
  suite(`what a repository of ${name} costs`, { skip }, () => {
    let source: { readonly url: string; stop(): Promise<void> }
    let at = ''
    before(async () => {
      source = await start()
      at = new URL(source.url).host
    })
    after(() => source.stop())

    test('shared bytes count once, and a tag frees what no other needs', async () => {
      const base = await putBlob(source.url, 'team/app', bytes(5000, 'b'))
      const top = await putBlob(source.url, 'team/app', bytes(700, 't'))
      const one = await putOf(source.url, 'team/app', '1', [base])
      const two = await putOf(source.url, 'team/app', '2', [base, top])
      const whole = sum(base, top, one.image, one.config, two.image, two.config)
      const usage = await ofRepository(`${at}/team/app`)
      assert.equal(usage.bytes, whole)
      assert.deepEqual(
        usage.images.map(({ tag, bytes: cost, frees }) => [tag, cost, frees]),
        [
          ['1', sum(base, one.image, one.config), sum(one.image, one.config)],
          ['2', sum(base, top, two.image, two.config), sum(top, two.image, two.config)],
        ],
      )
      const { stdout, stderr } = await du(`${at}/team/app`)
      assert.match(
        stdout,
        /^TAG +DIGEST +SIZE +FREES\n1 +sha256:\w{64} +5\.\d kB +\d+ B\n2 +sha256:.*\ntotal +6\.\d kB *\n$/,
      )
      assert.match(stderr, /what other repositories share is not looked at: --all does\n$/)
    })

    test('an index counts with its platforms, and a manifest of it frees nothing alone', async () => {
      const { index, children } = await putIndex(source.url, 'team/many', '1', [1000])
      const usage = await ofImage(`${at}/team/many:1`)
      assert.equal(usage.frees, usage.bytes)
      assert.ok(usage.bytes > 3 * 1000 + index.size + sum(...children))
      const child = await ofImage(`${at}/team/many@${children[0]?.digest}`)
      assert.deepEqual([child.frees, child.neededBy], [0, index.digest])
      const { stdout } = await du(`${at}/team/many@${children[0]?.digest}`)
      assert.match(stdout, new RegExp(`\n  frees   0 B: ${index.digest} needs it\n$`))
    })

    test('an image with two names frees nothing with one of them, and everything by its digest', async () => {
      const layer = await putBlob(source.url, 'team/twice', bytes(900, 'w'))
      const { image } = await putOf(source.url, 'team/twice', 'a', [layer])
      await putOf(source.url, 'team/twice', 'a', [layer])
      const again = await fetch(`${source.url}/v2/team/twice/manifests/a`, {
        headers: { accept: manifestType },
      })
      const body = await again.text()
      await fetch(`${source.url}/v2/team/twice/manifests/b`, { method: 'PUT', body, headers: { 'content-type': manifestType } }) // prettier-ignore
      const byTag = await ofImage(`${at}/team/twice:a`)
      assert.deepEqual([byTag.frees, byTag.neededBy], [0, 'b'])
      const byDigest = await ofImage(`${at}/team/twice@${image.digest}`)
      assert.equal(byDigest.frees, byDigest.bytes)
      const { images } = await ofRepository(`${at}/team/twice`)
      assert.deepEqual(
        images.map(({ frees }) => frees),
        [0, 0],
      )
    })

    test('what another repository has is not freed: seen by --all, and for the whole registry', async () => {
      const layer = await putBlob(source.url, 'one/x', bytes(4000, 's'))
      await putBlob(source.url, 'two/x', bytes(4000, 's'))
      const one = await putOf(source.url, 'one/x', '1', [layer])
      const two = await putOf(source.url, 'two/x', '1', [layer])
      const alone = sum(one.image, one.config)
      assert.equal((await ofImage(`${at}/one/x:1`)).frees, alone + 4000)
      assert.equal((await ofImage(`${at}/one/x:1`, '--all')).frees, alone)
      const { images } = await ofRepository(`${at}/one/x`, '--all')
      assert.deepEqual(
        images.map(({ frees }) => frees),
        [alone],
      )
      const all = await ofRegistry(at)
      const rows = all.repositories.filter(({ repository }) => /^(one|two)\//.test(repository))
      assert.deepEqual(
        rows.map(({ repository, tags, bytes: cost, frees }) => [repository, tags, cost, frees]),
        [
          ['one/x', 1, alone + 4000, alone],
          ['two/x', 1, sum(two.image, two.config) + 4000, sum(two.image, two.config)],
        ],
      )
      const counted = all.repositories.reduce((whole, { bytes: cost }) => whole + cost, 0)
      assert.equal(all.bytes, counted - 4000)
      const { stdout } = await du(at)
      assert.match(stdout, /^REPOSITORY +TAGS +MANIFESTS +SIZE +FREES\none\/x +1 +1 +4\.\d kB +\d+ B\n/)
      assert.match(stdout, /\n\d+ repositories +\d.*kB *\n$/)
    })
  })
}

suite('what trow knows besides', () => {
  test('referrers go with their subject', async () => {
    const image = await putImage(trow.url, 'team/signed', { tag: '1', layers: [300] })
    const before = await ofImage(`${host}/team/signed:1`)
    const signature = await putImage(trow.url, 'team/signed', { subject: image, layers: [4321] })
    const after = await ofImage(`${host}/team/signed:1`)
    assert.ok(after.frees - before.frees > 4321)
    assert.equal(after.frees, after.bytes)
    const alone = await ofImage(`${host}/team/signed@${signature.digest}`)
    assert.equal(alone.frees, after.frees - before.frees)
  })

  test('an index may refer to the image that it lists', async () => {
    const image = await putImage(trow.url, 'team/ring', { tag: '1' })
    const content = { schemaVersion: 2, mediaType: indexType, manifests: [image], subject: image }
    const index = await putManifest(trow.url, 'team/ring', content)
    const usage = await ofImage(`${host}/team/ring:1`)
    assert.deepEqual([usage.frees, usage.neededBy], [0, index.digest])
  })

  test('what has no tag has a row', async () => {
    const left = await putImage(trow.url, 'team/left', { tag: 'x', layers: [2222] })
    await fetch(`${trow.url}/v2/team/left/manifests/x`, { method: 'DELETE' })
    const { images } = await ofRepository(`${host}/team/left`)
    assert.deepEqual(
      images.map(({ digest, tag }) => [digest, tag]),
      [[left.digest, undefined]],
    )
    assert.ok((images[0]?.frees ?? 0) > 2222)
  })

  test('what cannot be meant is said', async () => {
    for (const [args, code, message] of [
      [[`${host}/team/none`], 1, /there is no repository team\/none \(NOT_FOUND\)/],
      [[`${host}/team/app:none`], 1, /team\/app:none is not in the registry \(NOT_FOUND\)/],
      [[host, '--all'], 2, /\(OPTIONS_CONFLICT\)/],
    ] as const) {
      const found = await du(...args)
      assert.match(found.stderr, message)
      assert.equal(found.code, code)
    }
  })
})
