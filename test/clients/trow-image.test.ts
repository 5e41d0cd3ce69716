import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { missing, runProgram } from '../requirements.ts'
import { imageProblem, trowImage, type TrowImage } from '../support/trow-image.ts'
import { noRoot, startContainerd, startDockerd, type Daemon } from './daemon.ts'

const skip = await imageProblem()
let image: TrowImage
let folder = ''
before(async () => {
  if (skip !== false) return
  image = await trowImage()
  folder = mkdtempSync(join(tmpdir(), 'trow-engines-'))
})
after(() => rmSync(folder, { recursive: true, force: true }))

/** Returns the output of `trow version -o json` in a container. */
function checkVersion(output: string): void {
  assert.equal((JSON.parse(output) as { node: string }).node, process.versions.node)
}

suite(
  "containerd runs trow's image",
  { skip: skip || missing('containerd', 'ctr') || noRoot('containerd') },
  () => {
    let daemon: Daemon | undefined
    before(async () => (daemon = await startContainerd(folder)))
    after(() => daemon?.stop())

    test('as it is imported', () => {
      const ctr = (...args: string[]): string =>
        runProgram('ctr', ['--address', daemon?.socket ?? '', ...args])
      const native = ['--snapshotter', 'native']
      ctr('images', 'import', ...native, image.archive)
      assert.match(ctr('images', 'ls', '-q'), new RegExp(`^${image.name}$`, 'm'))
      const check = ctr('images', 'check', ...native, `name==${image.name}`)
      assert.match(check, /complete \(5\/5\)/)
    })
  },
)

suite(
  "docker takes trow's image",
  { skip: skip || missing('docker', 'dockerd') || noRoot('dockerd') },
  () => {
    let daemon: Daemon | undefined
    before(async () => {
      mkdirSync(join(folder, 'docker-engine'))
      daemon = await startDockerd(join(folder, 'docker-engine'))
    })
    after(() => daemon?.stop())

    test('as it is loaded, and runs it with a read-only root', () => {
      const docker = (...args: string[]): string =>
        runProgram('docker', ['--host', `unix://${daemon?.socket}`, ...args])
      assert.match(docker('load', '--input', image.archive), new RegExp(`Loaded image: ${image.name}`))
      const user = docker('image', 'inspect', '--format', '{{.Config.User}}', image.name)
      assert.equal(user.trim(), '65532:65532')
      const limits = ['--rm', '--network=none', '--read-only', '--cap-drop=ALL']
      checkVersion(docker('run', ...limits, image.name, 'version', '-o', 'json'))
    })
  },
)

suite("podman takes trow's image", { skip: skip || missing('podman') || noRoot('podman') }, () => {
  test('as it is loaded', () => {
    const place = [
      '--root',
      join(folder, 'podman'),
      '--runroot',
      join(folder, 'podman-run'),
      '--storage-driver=vfs',
    ]
    const podman = (...args: string[]): string => runProgram('podman', [...place, ...args])
    podman('load', '--input', image.archive)
    const facts = JSON.parse(podman('image', 'inspect', image.name)) as { Config: { User: string } }[]
    assert.equal(facts[0]?.Config.User, '65532:65532')
  })
})
