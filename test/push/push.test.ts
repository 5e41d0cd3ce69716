import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { startCutProxy } from '../support/cut-proxy.ts'
import { writeLayout } from '../support/local-images.ts'
import { checkResult } from '../support/check-result.ts'
import { runCommand } from '../support/run-trow.ts'
import { startedServer, type ServerProcess } from '../support/server-process.ts'

const folder = mkdtempSync(join(tmpdir(), 'trow-push-test-'))
let server: ServerProcess
before(async () => (server = await startedServer({ data: join(folder, 'data') })))
after(async () => {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
const push = (...args: readonly string[]): ReturnType<typeof runCommand> =>
  runCommand(['push', '--registry', server.url, ...args], { env: { PATH: process.env['PATH'] ?? '' } })

function tarOf(name: string): string {
  const file = join(folder, `${name}.tar`)
  const { status, stderr } = spawnSync('tar', ['-C', join(folder, name), '-cf', file, '.'])
  assert.equal(status, 0, String(stderr))
  return file
}

interface ArchiveLayer {
  readonly plain: Buffer
  readonly stored?: Buffer
}

/** In the form in which docker save wrote archives before OCI layouts. */
function dockerArchive(name: string, layers: readonly ArchiveLayer[], tags: readonly string[]): string {
  const path = join(folder, name)
  mkdirSync(path)
  const files = layers.map(({ plain, stored = plain }, index) => {
    mkdirSync(join(path, `l${index}`))
    writeFileSync(join(path, `l${index}`, 'layer.tar'), stored)
    return `l${index}/layer.tar`
  })
  const diffIds = layers.map(({ plain }) => `sha256:${sha256(plain)}`)
  const config = Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: diffIds } }),
  )
  writeFileSync(join(path, 'config.json'), config)
  const manifest = [{ Config: 'config.json', RepoTags: tags, Layers: files }]
  writeFileSync(join(path, 'manifest.json'), JSON.stringify(manifest))
  return tarOf(name)
}

async function inspected(reference: string) {
  const { stdout, stderr } = await runCommand(['inspect', '--registry', server.url, reference, '-o', 'json'])
  assert.ok(stdout, stderr)
  return checkResult('Image', stdout)
}

suite('what can be pushed', () => {
  test('an OCI layout, byte for byte, as a folder, a tar and a tar.gz', async () => {
    const image = await writeLayout(join(folder, 'oci'), [1000, 100_000], { name: 'docker.io/library/oci:3' })
    const tar = tarOf('oci')
    writeFileSync(`${tar}.gz`, gzipSync(readFileSync(tar)))
    for (const source of [image.folder, tar, `${tar}.gz`]) {
      const { code, stdout, stderr } = await push(source)
      assert.equal(code, 0, stderr)
      assert.equal(stdout, `${new URL(server.url).host}/oci:3\n`)
      assert.ok(stderr.includes(image.digest), stderr)
    }
    const again = await push(tar, '-o', 'json')
    assert.equal(again.stderr.includes('is there already'), false, 'no lines where a program reads')
    const { digest, sentBlobs, blobs } = checkResult('Push', again.stdout)
    assert.deepEqual([digest, sentBlobs, blobs], [image.digest, 0, 3])
  })

  test('a docker-archive: layers as they are, under the digest of their content', async () => {
    const [one, two] = [Buffer.alloc(2048, 'a'), Buffer.alloc(4096, 'b')]
    const packed = gzipSync(two)
    const tar = dockerArchive('docker', [{ plain: one }, { plain: two, stored: packed }], ['team/app:7'])
    const { code, stdout, stderr } = await push(tar)
    assert.equal(code, 0, stderr)
    assert.match(stdout, /\/team\/app:7\n$/)
    const manifest = await inspected('team/app:7')
    assert.equal(manifest.mediaType, 'application/vnd.docker.distribution.manifest.v2+json')
    assert.deepEqual(
      manifest.layers.map(({ digest, mediaType }) => [digest, mediaType.split('.').slice(-2).join('.')]),
      [
        [`sha256:${sha256(one)}`, 'diff.tar'],
        [`sha256:${sha256(packed)}`, 'tar.gzip'],
      ],
    )
    assert.match((await push(tar)).stderr, /0 of 3 blobs sent/)
  })

  test('nothing whose content is missing, wrong, or several images at once', async () => {
    const missing = await writeLayout(join(folder, 'missing'), [1000])
    rmSync(join(missing.folder, 'blobs', 'sha256', (missing.layers[0]?.digest ?? '').slice(7)))
    const wrong = dockerArchive('wrong', [{ plain: Buffer.alloc(512) }], ['x:1'])
    writeFileSync(join(folder, 'wrong', 'manifest.json'), '[{}]')
    writeFileSync(join(folder, 'text.tar'), 'no tar at all')
    const rows: readonly (readonly [string, RegExp])[] = [
      [missing.folder, /is missing \(ARCHIVE_INVALID\)/],
      [
        tarOf('wrong'),
        /manifest\.json is not that of docker save: \[0\]\.Config is missing \(ARCHIVE_INVALID\)/,
      ],
      [join(folder, 'text.tar'), /ARCHIVE_INVALID/],
    ]
    assert.ok(wrong)
    for (const [source, expected] of rows) {
      const { code, stderr } = await push(source, 'x:1')
      assert.equal(code, 1)
      assert.match(stderr, expected)
    }
  })

  test('an upload that is cut goes on where it was, as often as that happens', async () => {
    const size = 60_000_000
    const image = await writeLayout(join(folder, 'cut'), [size], { name: 'cut:1' })
    const proxy = await startCutProxy(Number(new URL(server.url).port))
    let cuts = 0
    const cutting = setInterval(() => {
      if (proxy.sent < (size / 4) * (cuts + 1) || cuts === 3) return
      cuts++
      proxy.cut()
    }, 1)
    const url = `http://127.0.0.1:${proxy.port}`
    const { code, stderr } = await runCommand(['push', '--registry', url, image.folder])
    clearInterval(cutting)
    await proxy.close()
    assert.equal(code, 0, stderr)
    assert.match(stderr, /going on/)
    assert.ok(stderr.includes(image.digest))
  })
})
