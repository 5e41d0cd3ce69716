import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { findProgram, missing, runProgram } from '../requirements.ts'
import { runCommand } from '../support/run-trow.ts'
import { manifestType, putBlob, putManifest } from '../support/registry-content.ts'
import { startedServer, type ServerProcess } from '../support/server-process.ts'
import { noRoot, startDockerd, type Daemon } from './daemon.ts'

// `trow push` of an image that an engine has built, whose configuration does not name the registry; the same engine's
// pull of it; `trow pull` into an engine.

let folder = ''
let server: ServerProcess
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'trow-push-engines-'))
  server = await startedServer({ data: join(folder, 'data') })
})
after(async () => {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** A folder to build an image of two layers from. */
function buildFolder(): string {
  const path = join(folder, 'build')
  mkdirSync(path, { recursive: true })
  copyFileSync(findProgram('busybox') ?? process.execPath, join(path, 'program'))
  writeFileSync(join(path, 'greeting'), 'hello\n')
  const file =
    'FROM scratch\nCOPY program /bin/program\nCOPY greeting /greeting\nENV A=1\nCMD ["/bin/program"]\n'
  writeFileSync(join(path, 'Dockerfile'), file)
  return path
}

interface Engine {
  readonly name: string
  /** The engine's command line. */
  readonly run: (...args: readonly string[]) => string
  readonly env: Readonly<Record<string, string>>
}

async function pushed({ name, run, env }: Engine): Promise<void> {
  run('build', '-t', `${name}-app:7`, buildFolder())
  const id = run('image', 'inspect', '--format', '{{.Id}}', `${name}-app:7`).trim()
  const host = new URL(server.url).host
  const push = (...args: readonly string[]): ReturnType<typeof runCommand> =>
    runCommand(['push', '--registry', server.url, '--engine', name, ...args], { env })
  const first = await push(`${name}-app:7`, `team/${name}:7`)
  assert.equal(first.code, 0, first.stderr)
  assert.equal(first.stdout, `${host}/team/${name}:7\n`)
  assert.match(first.stderr, /3 of 3 blobs sent/)
  const again = await push(`${name}-app:7`, `team/${name}:8`)
  assert.match(again.stderr, /0 of 3 blobs sent/)

  run('rmi', '-f', `${name}-app:7`)
  const plain = name === 'podman' ? ['--tls-verify=false'] : []
  run('pull', ...plain, `${host}/team/${name}:7`)
  // The pulled image has the same configuration, byte for byte.
  assert.equal(run('image', 'inspect', '--format', '{{.Id}}', `${host}/team/${name}:7`).trim(), id)

  run('rmi', '-f', `${host}/team/${name}:7`)
  const back = await runCommand(['pull', `${host}/team/${name}:7`, '--engine', name], { env })
  assert.equal(back.code, 0, back.stderr)
  assert.equal(run('image', 'inspect', '--format', '{{.Id}}', `${host}/team/${name}:7`).trim(), id)

  const absent = await push('never-built:1', 'team/never:1')
  assert.equal(absent.code, 1)
  assert.match(absent.stderr, /has no image never-built:1.*\(IMAGE_MISSING\)/)
}

suite("what docker's engine has built", { skip: missing('docker', 'dockerd') || noRoot('dockerd') }, () => {
  let daemon: Daemon | undefined
  before(async () => {
    mkdirSync(join(folder, 'engine'))
    daemon = await startDockerd(join(folder, 'engine'))
  })
  after(() => daemon?.stop())

  test('is pushed, and what docker pulls is the same image', async () => {
    const endpoint = `unix://${daemon?.socket}`
    const env = { PATH: process.env['PATH'] ?? '', HOME: folder, DOCKER_HOST: endpoint }
    // The classic builder: BuildKit is a separate Debian package.
    const run = (...args: readonly string[]): string =>
      runProgram('docker', args, { env: { ...env, DOCKER_BUILDKIT: '0' } })
    await pushed({ name: 'dockerd', run, env })
  })
})

suite('containerd', { skip: missing('containerd', 'ctr') || noRoot('containerd') }, () => {
  test('is given an image by trow pull', async () => {
    const at = join(folder, 'containerd')
    mkdirSync(at)
    const socket = join(at, 'containerd.sock')
    const config = join(at, 'config.toml')
    writeFileSync(
      config,
      `version = 2\nroot = "${at}/root"\nstate = "${at}/run"\n[grpc]\n  address = "${socket}"\n`,
    )
    const daemon = spawn('containerd', ['--config', config], { stdio: 'ignore' })
    try {
      while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 50))
      const env = {
        PATH: process.env['PATH'] ?? '',
        CONTAINERD_ADDRESS: socket,
        CONTAINERD_NAMESPACE: 'k8s.io',
        CONTAINERD_SNAPSHOTTER: 'native',
      }
      const { digest } = await putRealImage(server.url, 'team/ctr')
      const name = `${new URL(server.url).host}/team/ctr:1`
      const pulled = await runCommand(['pull', name, '--engine', 'containerd'], { env })
      assert.equal(pulled.code, 0, pulled.stderr)
      const listed = runProgram('ctr', ['images', 'list', `name==${name}`], { env })
      assert.match(listed, new RegExp(`${name} +\\S+ +${digest} `))
    } finally {
      daemon.kill()
      await once(daemon, 'close')
    }
  })
})

/** An image with a layer that can be unpacked. */
async function putRealImage(base: string, repository: string): Promise<{ readonly digest: string }> {
  const tar = execFileSync('tar', ['-C', buildFolder(), '-cf', '-', 'greeting'])
  const layer = await putBlob(base, repository, tar)
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
  const content = {
    os: 'linux',
    architecture,
    config: {},
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
  }
  const config = await putBlob(base, repository, Buffer.from(JSON.stringify(content)))
  const mediaType = 'application/vnd.oci.image.config.v1+json'
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    config: { ...config, mediaType },
    layers: [layer],
  }
  return putManifest(base, repository, manifest, '1')
}

suite('what podman has built', { skip: missing('podman') || noRoot('podman') }, () => {
  test('is pushed, and what podman pulls is the same image', async () => {
    const storage = join(folder, 'storage.conf')
    const root = join(folder, 'podman')
    writeFileSync(storage, `[storage]\ndriver = "vfs"\ngraphroot = "${root}/root"\nrunroot = "${root}/run"\n`)
    mkdirSync(join(folder, '.config/containers'), { recursive: true })
    writeFileSync(
      join(folder, '.config/containers/policy.json'),
      '{"default":[{"type":"insecureAcceptAnything"}]}',
    )
    const env = { PATH: process.env['PATH'] ?? '', HOME: folder, CONTAINERS_STORAGE_CONF: storage }
    const run = (...args: readonly string[]): string => runProgram('podman', args, { env })
    await pushed({ name: 'podman', run, env })
  })
})
