import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createGunzip } from 'node:zlib'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'
import type { Image, PlatformImage } from '../../src/image/image.ts'
import { platforms } from '../../src/image/platform.ts'
import { readTar, type TarMember } from '../../src/image/tar-reader.ts'
import { missing, runProgram } from '../requirements.ts'
import { checkResult } from '../support/check-result.ts'
import { recordPrograms } from '../support/recorder.ts'
import { startedServer } from '../support/server-process.ts'
import { buildTestImage, imageCacheFolder, imageProblem, withPackage } from '../support/trow-image.ts'

const execute = promisify(execFile)
const root = new URL('../..', import.meta.url).pathname
/** Bytes of all blobs that a node moves for one platform. */
const largest = 70_000_000

suite("trow's image, made of a package", { skip: await imageProblem() }, () => {
  let folder = ''
  let packageFolder = ''
  let image: Image
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'trow-image-'))
    packageFolder = join(folder, 'trow')
    await withPackage(async (made) => cpSync(made, packageFolder, { recursive: true }))
    // What `npm install` brings.
    symlinkSync(join(root, 'node_modules'), join(packageFolder, 'node_modules'))
    mkdirSync(join(folder, 'cache', 'trow'), { recursive: true })
    symlinkSync(imageCacheFolder(), join(folder, 'cache', 'trow', 'image'))
    image = await buildTestImage(packageFolder, { platforms })
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  /** The package's own program, as somebody runs it who has no checkout. */
  async function trow(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ code: number; stdout: string; stderr: string }> {
    const all = {
      ...process.env,
      HOME: folder,
      XDG_CACHE_HOME: join(folder, 'cache'),
      KUBECONFIG: join(folder, 'kubeconfig'),
      ...env,
    }
    try {
      const program = join(packageFolder, 'bin', 'trow.js')
      return { code: 0, ...(await execute(process.execPath, [program, ...args], { cwd: folder, env: all })) }
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
      return { code, stdout, stderr }
    }
  }

  test(`has less than ${largest / 1e6} MB for each platform`, (context) => {
    assert.equal(image.platforms.length, 2)
    for (const { platform, layers, config, manifest } of image.platforms) {
      const size = [...layers, config, manifest].reduce((sum, blob) => sum + blob.size, 0)
      context.diagnostic(`${platform.name}: ${(size / 1e6).toFixed(1)} MB, ${manifest.digest}`)
      assert.ok(size < largest, `${platform.name}: ${size}`)
      for (const { path, size } of layers) assert.equal(statSync(path).size, size)
    }
  })

  test('is the same, made anew of a copy with other times and rights', async () => {
    const copy = join(folder, 'copy')
    cpSync(packageFolder, copy, { recursive: true, filter: (path) => !path.endsWith('node_modules') })
    runProgram('chmod', ['-R', 'go-rwx', copy])
    const [own] = platforms
    const again = await buildTestImage(copy, { platforms: [own!], layerFolder: join(folder, 'layers') })
    assert.equal(again.platforms[0]?.manifest.digest, image.platforms[0]?.manifest.digest)
  })

  test('has every shared library that its programs name, and no program beside Node', async () => {
    for (const each of image.platforms) {
      const members = await membersOf(each)
      const names = new Set(members.map(({ path }) => path.split('/').at(-1)))
      for (const { path, content } of members) {
        const needed = librariesOf(content)
        for (const name of needed) assert.ok(names.has(name), `${each.platform.name}: ${path} needs ${name}`)
        if (path === 'usr/bin/node') assert.ok(needed.length > 5)
      }
      assert.ok(members.some(({ path }) => path === each.platform.loader))
      const programs = members.filter(
        ({ path }) => /(^|\/)s?bin\//.test(path) && !path.startsWith('usr/lib/trow/'),
      )
      assert.deepEqual(
        programs.map(({ path }) => path),
        ['usr/bin/node'],
      )
      const bundle =
        members.find(({ path }) => path === 'etc/ssl/certs/ca-certificates.crt')?.content.toString() ?? ''
      assert.ok(bundle.split('-----BEGIN CERTIFICATE-----\n').length > 100)
      assert.match(
        bundle,
        /^-----BEGIN CERTIFICATE-----\n(?:[A-Za-z0-9+/=]+\n)+-----END CERTIFICATE-----\n-----BEGIN/,
      )
    }
  })

  test('is saved by the package itself, as skopeo reads it', { skip: missing('skopeo') }, async () => {
    const { code, stdout, stderr } = await trow([
      'image',
      'save',
      'trow.tar',
      '--name',
      'example.test/trow:9',
    ])
    assert.equal(code, 0, stderr)
    assert.equal(stdout, `example.test/trow:9@${image.index.digest}\n`)
    const json = await trow(['image', 'save', 'json.tar', '-o', 'json'])
    const saved = checkResult('ImageSave', json.stdout)
    assert.deepEqual([saved.digest, saved.platforms.length], [image.index.digest, image.platforms.length])
    const archive = `oci-archive:${join(folder, 'trow.tar')}`
    for (const { platform, manifest } of image.platforms) {
      const inspect = (...args: string[]): unknown =>
        JSON.parse(
          runProgram('skopeo', ['--override-arch', platform.architecture, 'inspect', ...args, archive]),
        )
      const { Architecture, Digest, Layers } = inspect() as {
        Architecture: string
        Digest: string
        Layers: unknown[]
      }
      assert.deepEqual([Architecture, Layers.length], [platform.architecture, 4])
      assert.ok([manifest.digest, image.index.digest].includes(Digest as never))
      const { config } = inspect('--config') as { config: Record<string, unknown> }
      assert.equal(config['User'], '65532:65532')
      assert.deepEqual(config['Entrypoint'], ['/usr/bin/node', '/usr/lib/trow/bin/trow.js'])
    }
    const classic = runProgram('skopeo', ['inspect', `docker-archive:${join(folder, 'trow.tar')}`])
    assert.equal(
      (JSON.parse(classic) as { Architecture: string }).Architecture,
      process.arch === 'x64' ? 'amd64' : process.arch,
    )
  })

  test(
    'is pushed with all its platforms, by what docker has kept of a login',
    { skip: missing('skopeo') },
    async () => {
      const htpasswd = join(folder, 'htpasswd')
      const { hash } = await import('@node-rs/bcrypt')
      writeFileSync(htpasswd, `ada:${await hash('secret', 4)}\n`)
      const rules = [{ who: ['ada'], repositories: ['**'], actions: ['push', 'pull'] }]
      const config = join(folder, 'trow.yaml')
      writeFileSync(config, JSON.stringify({ htpasswd, access: rules }))
      const server = await startedServer({ data: join(folder, 'data'), args: ['--config', config] })
      try {
        const { host } = new URL(server.url)
        const target = `${host}/team/trow:1`
        const push = (auths: object): ReturnType<typeof trow> => {
          mkdirSync(join(folder, '.docker'), { recursive: true })
          writeFileSync(join(folder, '.docker', 'config.json'), JSON.stringify({ auths }))
          return trow(['image', 'push', target])
        }
        const refused = await push({})
        assert.equal(refused.code, 77, refused.stderr)
        const auth = Buffer.from('ada:secret').toString('base64')
        const first = await push({ [host]: { auth } })
        assert.equal(first.code, 0, first.stderr)
        assert.equal(first.stdout, `${target}@${image.index.digest}\n`)
        const json = await trow(['image', 'push', target, '-o', 'json'])
        assert.equal(checkResult('ImagePush', json.stdout).digest, image.index.digest)
        const second = await push({ [host]: { auth } })
        assert.equal(second.stderr.match(/: there\n/g)?.length, second.stderr.match(/sha256:/g)?.length)
        const tls = ['--tls-verify=false', '--creds', 'ada:secret', `docker://${target}`]
        const index = JSON.parse(runProgram('skopeo', ['inspect', '--raw', ...tls])) as {
          manifests: { digest: string }[]
        }
        assert.deepEqual(
          index.manifests.map(({ digest }) => digest),
          image.platforms.map(({ manifest }) => manifest.digest as string),
        )
      } finally {
        await server.stop()
      }
    },
  )

  test('is loaded by the program that made the cluster, and its failure is told', async () => {
    const programs = join(folder, 'programs')
    mkdirSync(programs)
    const calls = recordPrograms(programs, ['kind', 'k3d'])
    const env = { PATH: `${programs}${delimiter}${process.env['PATH']}` }
    writeKubeconfig(join(folder, 'kubeconfig'), 'kind-dev')
    const plan = await trow(['image', 'load', '--dry-run'], env)
    assert.match(
      plan.stdout,
      /^trow image save --platform linux\/\w+ trow-image\.tar\nkind load image-archive trow-image\.tar --name dev\n$/,
    )
    assert.deepEqual(calls(), [])
    const done = await trow(['image', 'load', '--name', 'a.test/trow:1'], env)
    assert.deepEqual([done.code, done.stdout], [0, 'a.test/trow:1\n'], done.stderr)
    assert.match(calls().join('\n'), /^kind load image-archive \S+\/trow-image\.tar --name dev$/)
    writeFileSync(join(programs, 'k3d'), '#!/bin/sh\necho "no cluster here" >&2\nexit 3\n')
    const failed = await trow(['image', 'load', '--to', 'k3d'], env)
    assert.equal(failed.code, 1)
    assert.match(failed.stderr, /k3d image import .*: no cluster here.*IMAGE_LOAD_FAILED/)
    writeKubeconfig(join(folder, 'kubeconfig'), 'production')
    const unknown = await trow(['image', 'load'], env)
    assert.equal(unknown.code, 2)
    assert.match(unknown.stderr, /IMAGE_TARGET_UNKNOWN/)
  })
})

function writeKubeconfig(path: string, context: string): void {
  writeFileSync(
    path,
    JSON.stringify({
      'current-context': context,
      contexts: [{ name: context, context: { cluster: 'c', user: 'u' } }],
      clusters: [{ name: 'c', cluster: { server: 'https://10.1.2.3:6443' } }],
      users: [{ name: 'u', user: {} }],
    }),
  )
}

async function membersOf({ layers }: PlatformImage): Promise<TarMember[]> {
  const members: TarMember[] = []
  for (const { path } of layers) {
    const gunzip = createGunzip()
    gunzip.end(readFileSync(path))
    members.push(...(await readTar(gunzip, () => true)))
  }
  return members
}

/** DT_NEEDED of a 64-bit little-endian ELF file (gabi, "Dynamic Section"); none for anything else. */
function librariesOf(elf: Buffer): string[] {
  if (elf.length < 64 || elf.readUInt32BE(0) !== 0x7f454c46) return []
  const at = (offset: number): number => Number(elf.readBigUInt64LE(offset))
  const [start, size, count] = [at(32), elf.readUInt16LE(54), elf.readUInt16LE(56)]
  const headers = Array.from({ length: count }, (_, index) => {
    const from = start + index * size
    return {
      type: elf.readUInt32LE(from),
      offset: at(from + 8),
      address: at(from + 16),
      length: at(from + 32),
    }
  })
  const dynamic = headers.find(({ type }) => type === 2)
  if (dynamic === undefined) return []
  const entries: [number, number][] = []
  for (let each = 0; each < dynamic.length; each += 16)
    entries.push([at(dynamic.offset + each), at(dynamic.offset + each + 8)])
  const strings = entries.find(([tag]) => tag === 5)?.[1] ?? 0
  const load = headers.find(
    ({ type, address, length }) => type === 1 && strings >= address && strings < address + length,
  )
  const table = strings - (load?.address ?? 0) + (load?.offset ?? 0)
  return entries
    .filter(([tag]) => tag === 1)
    .map(([, name]) => elf.toString('latin1', table + name, elf.indexOf(0, table + name)))
}
