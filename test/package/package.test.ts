import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, before, suite, test } from 'node:test'

const root = new URL('../..', import.meta.url).pathname

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

suite('the package', () => {
  let folder = ''
  let program = ''
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'trow-package-'))
    const env = { ...process.env, npm_config_prefix: folder }
    const output = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], {
      cwd: root,
      encoding: 'utf8',
    })
    const [{ filename }] = JSON.parse(output.slice(output.indexOf('['))) as [{ filename: string }]
    execFileSync('npm', ['install', '--global', '--prefer-offline', join(folder, filename)], {
      env,
      stdio: 'ignore',
    })
    program = join(folder, 'lib', 'node_modules', 'trow', 'bin', 'trow.js')
  })
  after(() => {
    rmSync(folder, { recursive: true, force: true })
    rmSync(join(root, 'dist'), { recursive: true, force: true })
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
        assert.match(stderr, /^trow: this is Node \d+\.\d+\.\d+, trow needs Node 24 or later: .+\n$/)
      }
    },
  )
})
