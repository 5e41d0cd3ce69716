import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, suite, test } from 'node:test'
import { removeInterrupted } from '../../src/cli/image/image-source.ts'
import { CachedSource } from '../../src/image/cached-source.ts'
import { readDebianIndex } from '../../src/image/debian-index.ts'
import { mirrorAt, mirrorOfSources } from '../../src/image/debian-mirror.ts'
import { file, type LayerEntry } from '../../src/image/layer-entry.ts'
import { LayerStore } from '../../src/image/layer-store.ts'
import { UserError } from '../../src/user-error.ts'

const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex')
const isCode =
  (code: string, hint?: RegExp) =>
  (error: unknown): boolean =>
    error instanceof UserError && error.code === code && (hint === undefined || hint.test(error.hint ?? ''))

let folder = ''
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'trow-sources-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

suite('what comes from a mirror', () => {
  let server: Server
  let url = ''
  const files = new Map<string, string>()
  const asked: string[] = []
  before(async () => {
    server = createServer(({ url = '' }, response) => {
      asked.push(url)
      const content = files.get(decodeURIComponent(url))
      response.writeHead(content === undefined ? 404 : 200).end(content)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/debian`
  })
  after(() => new Promise((resolve) => server.close(resolve)))
  beforeEach(() => {
    files.clear()
    asked.length = 0
  })

  const debian = {
    package: 'a',
    version: '1+b',
    archive: 'debian',
    path: 'pool/main/a/a_1+b_amd64.deb',
    size: 7,
    sha256: sha256('content'),
  } as const
  const source = (mirror = url): CachedSource =>
    new CachedSource({ folder, mirror: async () => mirrorAt(mirror), pack: async () => {} })

  test('is told as it comes, and not where it is kept already', async () => {
    files.set(`/debian/${debian.path}`, 'content')
    const told: (readonly [what: string, bytes: number])[] = []
    const progress = {
      expect: (bytes: number) => void told.push(['expect', bytes]),
      add: (bytes: number) => void told.push(['add', bytes]),
    }
    const watched = new CachedSource({
      folder,
      mirror: async () => mirrorAt(url),
      pack: async () => {},
      progress,
    })
    await watched.debian(debian)
    assert.deepEqual(told[0], ['expect', 7])
    assert.equal(
      told.reduce((sum, [what, bytes]) => sum + (what === 'add' ? bytes : 0), 0),
      7,
    )
    told.length = 0
    await watched.debian(debian)
    assert.deepEqual(told, [])
  })

  test('is fetched once, and again when the file kept of it was damaged', async () => {
    files.set(`/debian/${debian.path}`, 'content')
    assert.equal((await source().debian(debian)).toString(), 'content')
    assert.equal((await source().debian(debian)).toString(), 'content')
    assert.equal(asked.length, 1)
    for (const name of readdirSync(folder)) writeFileSync(join(folder, name), 'cont')
    assert.equal((await source().debian(debian)).toString(), 'content')
    assert.equal(asked.length, 2)
  })

  test('but is no longer there, or another file, is one clear error', async () => {
    const gone = isCode('IMAGE_SOURCE_GONE', /npm run image -- --refresh-lock/)
    await assert.rejects(source().debian(debian), gone)
    for (const content of ['CONTENT', 'content that is too long']) {
      files.set(`/debian/${debian.path}`, content)
      await assert.rejects(source().debian(debian), (error: UserError) =>
        /IMAGE_SOURCE_INVALID|MIRROR_UNREACHABLE/.test(error.code),
      )
    }
    assert.deepEqual(readdirSync(folder), [])
    await assert.rejects(
      source('http://127.0.0.1:9/debian').debian(debian),
      isCode('MIRROR_UNREACHABLE', /--mirror/),
    )
  })

  test('as the newest of a package is found in what its signer has named', async () => {
    const paragraph = (version: string): string =>
      `Package: a\nVersion: ${version}\nFilename: pool/a_${version}.deb\nSize: 7\nSHA256: ${sha256('content')}\n\nPackage: ab\nVersion: 9\n`
    const release = (suite: string, versions: readonly string[]): void => {
      const lines = ['amd64', 'arm64'].map((architecture, index) => {
        const packages = paragraph(versions[index]!)
        files.set(`/${suite}/main/binary-${architecture}/Packages.xz`, packages)
        return ` ${sha256(packages)} ${packages.length} main/binary-${architecture}/Packages.xz`
      })
      files.set(`/${suite}/InRelease`, `Version: 13.8\nMD5Sum:\nSHA256:\n${lines.join('\n')}\n`)
    }
    release('debian/dists/trixie', ['1.9-1', '1.10-1'])
    release('debian-security/dists/trixie-security', ['1.10-1+deb13u1', '1.9-2'])
    const read = (): ReturnType<typeof readDebianIndex> =>
      readDebianIndex(mirrorAt(url), 'trixie', ['a'], {
        verify: async (inRelease) => inRelease.toString(),
        unpack: async (packed) => packed.toString(),
      })
    const index = await read()
    assert.equal(index.version, '13.8')
    assert.deepEqual(
      [...index.files.amd64, ...index.files.arm64].map(({ version, archive }) => [version, archive]),
      [
        ['1.10-1+deb13u1', 'debian-security'],
        ['1.10-1', 'debian'],
      ],
    )
    files.set('/debian/dists/trixie/main/binary-arm64/Packages.xz', paragraph('66'))
    await assert.rejects(read(), isCode('IMAGE_SOURCE_INVALID'))
  })
})

suite('what comes from the npm registry', () => {
  const integrity = (bytes: string): string => `sha512-${createHash('sha512').update(bytes).digest('base64')}`
  const wanted = ['one', 'two'].map((name) => ({ name, version: '1.0.0', integrity: integrity(name) }))

  test('is fetched together, compared, and kept', async () => {
    const calls: (readonly string[])[] = []
    const source = new CachedSource({
      folder,
      mirror: () => assert.fail('no mirror is needed'),
      async pack(specs, target) {
        calls.push(specs)
        for (const [index, spec] of specs.entries())
          writeFileSync(join(target, `${index}.tgz`), spec.replace('@1.0.0', ''))
      },
    })
    for (let each = 0; each < 2; each++)
      assert.deepEqual((await source.npm(wanted)).map(String), ['one', 'two'])
    assert.deepEqual(calls, [['one@1.0.0', 'two@1.0.0']])
    const other = { ...wanted[0]!, integrity: integrity('another') }
    await assert.rejects(source.npm([other]), isCode('IMAGE_SOURCE_INVALID', /npm config get registry/))
  })
})

suite('a layer', () => {
  const layer = (
    inputs: readonly string[],
    entries: () => readonly LayerEntry[],
  ): Parameters<LayerStore['make']>[0] => ({
    title: 'a layer',
    inputs,
    entries: async () => entries(),
  })

  test('is made once for equal inputs, and anew when the file kept of it was damaged', async () => {
    let made = 0
    const content = Buffer.alloc(3_000_000, 'abc')
    const one = layer(['1'], () => {
      made++
      return [file('a', content)]
    })
    const store = new LayerStore(folder)
    const first = await store.make(one)
    assert.deepEqual(await store.make(one), first)
    assert.equal(made, 1)
    writeFileSync(first.path, 'damaged')
    assert.deepEqual(await store.make(one), first)
    assert.equal(made, 2)
    const other = await store.make(layer(['2'], () => [file('a', content)]))
    assert.deepEqual([other.digest, other.diffId, other.size], [first.digest, first.diffId, first.size])
  })

  test('that cannot be made leaves nothing', async () => {
    const broken = layer(['1'], () => [file('../a', '')])
    await assert.rejects(new LayerStore(folder).make(broken))
    assert.deepEqual(readdirSync(folder), [])
  })
})

test('what an interrupted run has left in the cache goes after a day, and nothing else', async () => {
  const downloads = join(folder, 'downloads')
  for (const name of ['new-a', 'npm-b']) mkdirSync(join(downloads, name), { recursive: true })
  writeFileSync(join(downloads, 'sha256-00'), '')
  await removeInterrupted(folder, Date.now())
  assert.equal(readdirSync(downloads).length, 3)
  await removeInterrupted(folder, Date.now() + 2 * 86_400_000)
  assert.deepEqual(readdirSync(downloads), ['sha256-00'])
})

test("the machine's own mirror is found in both formats of apt's sources", () => {
  const found = (...files: string[]): unknown => mirrorOfSources(files)
  const [debian, security] = ['http://mirror.test/debian', 'http://other.test/debian-security']
  assert.deepEqual(found(`Types: deb\nURIs: ${debian}/\nSuites: trixie\n\nURIs: ${security}\n`), {
    debian,
    'debian-security': security,
  })
  assert.deepEqual(found(`deb [signed-by=/a] ${debian} trixie main\n`), {
    debian,
    'debian-security': 'http://mirror.test/debian-security',
  })
  for (const text of ['', `# deb ${debian} trixie main\n`, 'deb http://mirror.test/ubuntu noble main\n'])
    assert.equal(found(text), undefined)
  for (const url of ['mirror.test/debian', 'ftp://mirror.test/debian', ''])
    assert.throws(() => mirrorAt(url), isCode('MIRROR_INVALID'))
})
