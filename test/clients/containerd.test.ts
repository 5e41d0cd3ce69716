import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, before, suite, test } from 'node:test'
import { findProgram, missing, runProgram } from '../requirements.ts'
import { openFixture, writeImageLayout, type Fixture } from './fixture.ts'

const root = process.getuid?.() === 0 ? false : 'containerd needs root'

suite('containerd', { skip: missing('containerd', 'ctr') || root }, () => {
  let fixture: Fixture
  let daemon: ChildProcess | undefined
  let address = ''
  let digest = ''
  const ctr = (...args: string[]): string =>
    runProgram('ctr', ['--address', address, ...args], { env: fixture.env })

  before(async () => {
    fixture = await openFixture()
    digest = await writeImageLayout(join(fixture.folder, 'image'))
    address = join(fixture.folder, 'containerd.sock')
    const state = join(fixture.folder, 'containerd')
    mkdirSync(state)
    const config = join(state, 'config.toml')
    writeFileSync(
      config,
      `version = 2\nroot = "${state}/root"\nstate = "${state}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "${address}"\n`,
    )
    daemon = spawn(findProgram('containerd') ?? '', ['--config', config], { stdio: 'ignore' })
    for (let attempt = 0; !existsSync(address) && attempt < 100; attempt++) await sleep(100)
  })
  after(async () => {
    if (daemon !== undefined) {
      daemon.kill()
      await once(daemon, 'exit')
    }
    await fixture.close()
  })

  test('pushes an imported image and fetches it again', () => {
    const archive = join(fixture.folder, 'image.tar')
    runProgram('tar', ['-C', join(fixture.folder, 'image'), '-cf', archive, '.'])
    const reference = `${fixture.host}/containerd/app:1`
    ctr('images', 'import', '--base-name', `${fixture.host}/containerd/app`, '--no-unpack', archive)
    ctr('images', 'tag', `${fixture.host}/containerd/app:latest`, reference)
    ctr('images', 'push', '--plain-http', reference)
    ctr('images', 'rm', reference, `${fixture.host}/containerd/app:latest`)
    ctr('content', 'fetch', '--plain-http', reference)
    assert.match(ctr('content', 'ls', '-q'), new RegExp(digest))
  })
})
