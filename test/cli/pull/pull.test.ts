import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { missing } from '../../requirements.ts'
import { checkResult } from '../../support/check-result.ts'
import { startCutProxy } from '../../support/cut-proxy.ts'
import { startDistribution } from '../../support/distribution.ts'
import { writeLayout } from '../../support/local-images.ts'
import { digestsBelow, putImage, putIndex, sha256 } from '../../support/registry-content.ts'
import { runCommand, startCommand } from '../../support/run-trow.ts'
import { startedServer, type ServerProcess } from '../../support/server-process.ts'

const folder = mkdtempSync(join(tmpdir(), 'trow-pull-'))
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

const pull = (...args: readonly string[]): ReturnType<typeof runCommand> =>
  runCommand(['pull', ...args], { env: { PATH: process.env['PATH'] ?? '' } })
const place = (name: string): string => join(folder, name)

/** Pushes what was pulled to another name, and compares every byte of it. */
async function assertSame(path: string, from: string, repository: string, reference: string): Promise<void> {
  const name = `back/app-${Math.random().toString(36).slice(2)}`
  const { code, stderr } = await runCommand(['push', path, `${host}/${name}:1`])
  assert.equal(code, 0, stderr)
  assert.deepEqual(await digestsBelow(trow.url, name, '1'), await digestsBelow(from, repository, reference))
}

const sources = [
  { name: 'trow', skip: false, start: async () => ({ url: trow.url, stop: async () => {} }) },
  {
    name: 'Distribution',
    skip: missing('registry'),
    start: () => startDistribution(place('distribution')),
  },
] as const

for (const { name, skip, start } of sources) {
  suite(`trow pull from ${name}`, { skip }, () => {
    let source: { readonly url: string; stop(): Promise<void> }
    let at = ''
    before(async () => {
      source = await start()
      at = new URL(source.url).host
    })
    after(() => source.stop())

    test('makes an OCI layout of all platforms, and fetches nothing twice', async () => {
      const { index } = await putIndex(source.url, 'team/app', '1')
      const layout = place(`layout-${name}`)
      const first = await pull(`${at}/team/app:1`, layout)
      assert.equal(first.code, 0, first.stderr)
      assert.equal(first.stdout, `${at}/team/app:1@${index.digest}\n`)
      assert.match(first.stderr, /\n9 of 9 blobs pulled, .*; sha256:/)
      await assertSame(layout, source.url, 'team/app', '1')
      const again = await pull(`${at}/team/app:1`, layout)
      assert.match(again.stderr, /\n0 of 9 blobs pulled, 0 B; /)
      const json = await pull(`${at}/team/app:1`, layout, '-o', 'json')
      const { digest, blobs, pulledBlobs } = checkResult('Pull', json.stdout)
      assert.deepEqual([digest, blobs, pulledBlobs, json.stderr], [index.digest, 9, 0, ''])
      const { manifests } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as { manifests: object[] } // prettier-ignore
      assert.equal(manifests.length, 1)
    })

    test('adds an image to a layout, of one platform', async () => {
      const { children } = await putIndex(source.url, 'team/two', '1')
      const layout = place(`layout-${name}`)
      const { code, stderr } = await pull(`${at}/team/two:1`, layout, '--platform', 'linux/arm64')
      assert.equal(code, 0, stderr)
      const { manifests } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as {
        manifests: { digest: string; annotations: Record<string, string> }[]
      }
      assert.deepEqual(
        manifests.map(({ annotations }) => annotations['io.containerd.image.name']),
        [`${at}/team/app:1`, `${at}/team/two:1`],
      )
      assert.equal(manifests[1]?.digest, children[1]?.digest)
    })

    test('makes an archive that is a layout, and has one image in the form of docker', async () => {
      const { index, children } = await putIndex(source.url, 'team/tar', '1')
      const file = place(`${name}.tar`)
      const { code, stdout, stderr } = await pull(`${at}/team/tar:1`, file)
      assert.equal(code, 0, stderr)
      assert.equal(stdout, `${at}/team/tar:1@${index.digest}\n`)
      await assertSame(file, source.url, 'team/tar', '1')
      const read = (path: string): string => execFileSync('tar', ['xOf', file, path]).toString()
      const [docker] = JSON.parse(read('manifest.json')) as [{ Config: string; RepoTags: string[] }]
      assert.deepEqual(docker.RepoTags, [`${at}/team/tar:1`])
      const own = children[process.arch === 'arm64' ? 1 : 0]?.digest ?? ''
      const { config } = JSON.parse(read(`blobs/${own.replace(':', '/')}`)) as { config: { digest: string } }
      assert.equal(docker.Config, `blobs/${config.digest.replace(':', '/')}`)
    })

    test('takes an image by its digest', async () => {
      const { digest } = await putImage(source.url, 'team/digest', { tag: '1' })
      const file = place(`digest-${name}.tar`)
      const { stdout, stderr } = await pull(`${at}/team/digest@${digest}`, file)
      assert.equal(stdout, `${at}/team/digest@${digest}\n`, stderr)
      await assertSame(file, source.url, 'team/digest', digest)
    })

    test('goes on by Range where a connection is cut', async () => {
      const size = 8 * 1024 * 1024
      await putImage(source.url, 'team/cut', { layers: [size], tag: '1' })
      const proxy = await startCutProxy(Number(new URL(source.url).port))
      let cuts = 0
      const timer = setInterval(() => {
        if (proxy.received < (cuts + 1) * 2_000_000 || cuts === 2) return
        cuts++
        proxy.cut()
      }, 1)
      const file = place(`cut-${name}.tar`)
      const { code, stderr } = await pull(`127.0.0.1:${proxy.port}/team/cut:1`, file)
      clearInterval(timer)
      assert.equal(code, 0, stderr)
      assert.ok(cuts > 0)
      assert.match(stderr, /cut \(.*\); going on/)
      assert.ok(proxy.received < 1.7 * size, `${proxy.received} bytes were read`)
      await assertSame(file, source.url, 'team/cut', '1')
      await proxy.close()
    })
  })
}

suite('what is read of an archive of trow pull', () => {
  test('skopeo reads both of its forms', { skip: missing('skopeo') }, async () => {
    const { folder: layout } = await writeLayout(place('whole'), [1000])
    await runCommand(['push', layout, `${host}/team/whole:1`])
    const file = place('whole.tar')
    assert.equal((await pull(`${host}/team/whole:1`, file)).code, 0)
    for (const form of ['oci-archive', 'docker-archive'])
      assert.match(execFileSync('skopeo', ['inspect', '--raw', `${form}:${file}`]).toString(), /"layers":/)
  })

  test('it comes on stdout too, and stderr has the rest', async () => {
    await putImage(trow.url, 'team/out', { tag: '1' })
    const { stdout, stderr, code } = await pull(`${host}/team/out:1`, '-')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^oci-layout\0/)
    assert.match(stderr, /2 of 2 blobs pulled/)
  })
})

suite('a pull that cannot be made', () => {
  test('leaves no archive, and no name in a layout', async () => {
    const bytes = Buffer.from('{"architecture":"amd64","os":"linux"}')
    const body = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        config: {
          mediaType: 'application/vnd.oci.image.config.v1+json',
          digest: sha256(bytes),
          size: bytes.length,
        },
        layers: [],
      }),
    )
    const liar = createServer(({ url = '' }, response) => {
      if (url.includes('/blobs/')) return void response.end(Buffer.alloc(bytes.length, 'x'))
      response.setHeader('content-type', 'application/vnd.oci.image.manifest.v1+json').end(body)
    })
    await new Promise<void>((resolve) => liar.listen(0, '127.0.0.1', resolve))
    const at = `127.0.0.1:${(liar.address() as AddressInfo).port}`
    const [file, layout] = [place('lie.tar'), place('lie')]
    for (const to of [file, layout]) {
      const { code, stderr } = await pull(`${at}/a/b:1`, to)
      assert.equal(code, 1)
      assert.match(stderr, new RegExp(`the bytes of ${sha256(bytes)} have the digest sha256:`))
    }
    assert.deepEqual(
      readdirSync(folder).filter((each) => each.startsWith('lie.')),
      [],
    )
    assert.deepEqual(readdirSync(join(layout, 'blobs', 'sha256')), [])
    assert.equal(existsSync(join(layout, 'index.json')), false)
    liar.close()
  })

  test('keeps whole blobs when it is interrupted, and says so', async () => {
    await putImage(trow.url, 'team/stop', { layers: [500, 12 * 1024 * 1024], tag: '1' })
    const proxy = await startCutProxy(Number(new URL(trow.url).port))
    const layout = place('stopped')
    const running = startCommand(['pull', `127.0.0.1:${proxy.port}/team/stop:1`, layout])
    while (proxy.received < 2_000_000) await new Promise((resolve) => setTimeout(resolve, 1))
    assert.equal(await running.interrupt(), 130)
    assert.match(
      running.stderr(),
      /\(INTERRUPTED\)\n {2}Whole blobs are kept: the same command goes on from there\.\n$/,
    )
    const again = await pull(`127.0.0.1:${proxy.port}/team/stop:1`, layout)
    assert.equal(again.code, 0, again.stderr)
    await assertSame(layout, trow.url, 'team/stop', '1')
    await proxy.close()
  })

  const rows: readonly (readonly [what: string, args: () => string[], code: number, message: RegExp])[] = [
    ['an image that is not there', () => [`${host}/team/none:1`, place('none')], 1, /team\/none:1 is not in the registry \(NOT_FOUND\)/],
    ['a platform that is not there', () => [`${host}/team/app:1`, place('none'), '--platform', 'linux/s390x'], 1, /\(PLATFORM_MISSING\)\n {2}It has: linux\/amd64/],
    ['a folder of something else', () => ['127.0.0.1:1/a:1', place('data')], 1, /data holds other files \(LAYOUT_INVALID\)/],
    ['a file that is there', () => ['127.0.0.1:1/a:1', place('there.tar')], 1, /there\.tar is there already \(FILE_EXISTS\)/],
    ['a compressed archive', () => ['127.0.0.1:1/a:1', place('a.tgz')], 2, /\(OPTION_INVALID\)\n {2}Write FILE\.tar/],
    ['two destinations', () => ['127.0.0.1:1/a:1', place('a'), '--engine', 'podman'], 2, /\(OPTIONS_CONFLICT\)/],
    ['a folder that nobody can make', () => [`${host}/team/app:1`, '/proc/nothing/here'], 77, /\(FOLDER_NOT_WRITABLE\)/],
  ] // prettier-ignore
  for (const [what, args, code, message] of rows) {
    test(`names ${what}`, async () => {
      writeFileSync(place('there.tar'), '')
      const found = await pull(...args())
      assert.match(found.stderr, message)
      assert.equal(found.code, code)
    })
  }

  test('names that no engine is here, before it asks the registry', async () => {
    mkdirSync(place('empty'))
    const { code, stderr } = await runCommand(['pull', '127.0.0.1:1/a:1', '--engine', 'colima'], {
      env: { PATH: place('empty'), HOME: place('empty') },
    })
    assert.equal(code, 1)
    assert.match(stderr, /there is no colima here \(ENGINE_MISSING\)/)
  })
})
