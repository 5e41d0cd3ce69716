import assert from 'node:assert/strict'
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'

const root = new URL('../..', import.meta.url).pathname
const execute = promisify(execFile)

type Locked = { readonly version: string; readonly dev?: boolean; readonly optional?: boolean }

/** By path, those that are not for development alone. */
function lockedIn(path: string): Readonly<Record<string, Locked>> {
  const { packages } = JSON.parse(readFileSync(path, 'utf8')) as { packages: Record<string, Locked> }
  return Object.fromEntries(Object.entries(packages).filter(([name, { dev }]) => name !== '' && dev !== true))
}

/** A Node that is too old, where the machine has one. */
function oldNode(): string | undefined {
  const folders = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => !folder.includes('node_modules'))
  return folders
    .map((folder) => join(folder, 'node'))
    .find(
      (path) =>
        existsSync(path) && Number(execFileSync(path, ['-p', 'process.versions.node.split(".")[0]'])) < 24,
    )
}

/** What npm's registry says of a package once it is published; whatever else is asked for, the usual registry has. */
async function publish(tarball: string): Promise<{ readonly url: string; readonly server: Server }> {
  const usual = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim()
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly name: string
    readonly version: string
  }
  const server = createServer(({ url = '' }, response) => {
    if (url === '/trow.tgz') return response.end(readFileSync(tarball))
    if (url !== '/trow') return response.writeHead(302, { location: new URL(url.slice(1), usual).href }).end()
    const dist = { tarball: `${registry}/trow.tgz` }
    const versions = { [manifest.version]: { ...manifest, _hasShrinkwrap: true, dist } }
    response.end(JSON.stringify({ name: 'trow', 'dist-tags': { latest: manifest.version }, versions }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const registry = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url: registry, server }
}

suite('the package', () => {
  let folder = ''
  let installed = ''
  let program = ''
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'trow-package-'))
    const output = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], {
      cwd: root,
      encoding: 'utf8',
    })
    const [{ filename }] = JSON.parse(output.slice(output.indexOf('['))) as [{ filename: string }]
    const registry = await publish(join(folder, filename))
    const env = { ...process.env, npm_config_prefix: folder, npm_config_registry: registry.url }
    try {
      await execute('npm', ['install', '--global', '--prefer-offline', 'trow'], { env })
    } finally {
      registry.server.close()
    }
    installed = join(folder, 'lib', 'node_modules', 'trow')
    program = join(installed, 'bin', 'trow.js')
  })
  after(() => {
    rmSync(folder, { recursive: true, force: true })
    rmSync(join(root, 'dist'), { recursive: true, force: true })
  })

  test('brings the versions of all packages that trow was tested with', () => {
    const tested = lockedIn(join(root, 'package-lock.json'))
    assert.deepEqual(lockedIn(join(installed, 'npm-shrinkwrap.json')), tested)
    for (const [path, { version, optional }] of Object.entries(tested)) {
      const manifest = join(installed, path, 'package.json')
      // Programs for other systems.
      if (optional === true && !existsSync(manifest)) continue
      assert.equal((JSON.parse(readFileSync(manifest, 'utf8')) as Locked).version, version, path)
    }
  })

  test('runs from any folder', () => {
    const { stdout } = spawnSync(process.execPath, [program, 'version'], { cwd: tmpdir(), encoding: 'utf8' })
    assert.match(stdout, /^trow \d/)
    const config = spawnSync(process.execPath, [program, 'serve', '--print-config'], {
      cwd: tmpdir(),
      encoding: 'utf8',
    })
    assert.match(config.stdout, /^listen: 127\.0\.0\.1:8000/)
  })

  test('brings the credential helper, under the name that docker looks for', () => {
    const helper = join(folder, 'bin', 'docker-credential-trow')
    const env = { ...process.env, HOME: folder, XDG_CONFIG_HOME: join(folder, 'config') }
    const { stdout, status } = spawnSync(helper, ['get'], { input: 'ghcr.io', env, encoding: 'utf8' })
    assert.deepEqual([status, stdout], [1, 'credentials not found in native keychain\n'])
    assert.ok(existsSync(join(folder, 'lib', 'node_modules', 'trow', 'templates', 'rbac.yaml')))
  })

  test('brings the documents', () => {
    for (const page of ['README.md', 'SECURITY.md', 'docs/tutorials/laptop.md', 'docs/first-session.svg'])
      assert.ok(existsSync(join(installed, page)), page)
  })

  test('serves, with its threads', async () => {
    const { startedServer } = await import('../support/server-process.ts')
    const server = await startedServer({ data: join(folder, 'data'), program })
    assert.equal((await fetch(`${server.url}/v2/a/blobs/uploads/`, { method: 'POST' })).status, 202)
    await server.stop()
  })

  const old = oldNode()
  test(
    'says in one line what to do on an old Node',
    { skip: old === undefined && 'no Node before 24 here' },
    () => {
      for (const each of [program, program.replace('trow.js', 'docker-credential-trow.js')]) {
        const { status, stderr } = spawnSync(old ?? '', [each, 'version'], { encoding: 'utf8' })
        assert.equal(status, 1)
        assert.match(
          stderr,
          /^trow: this is Node \d+\.\d+\.\d+, trow needs Node 24\.15 or a later 24, or 26 or later: .+\n$/,
        )
      }
    },
  )
})
