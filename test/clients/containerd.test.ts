import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { missing, runProgram } from '../requirements.ts'
import { noRoot, startContainerd, type Daemon } from './daemon.ts'
import { openFixture, writeImageLayout, type Fixture } from './fixture.ts'

suite('containerd', { skip: missing('containerd', 'ctr') || noRoot('containerd') }, () => {
  let fixture: Fixture
  let daemon: Daemon | undefined
  let digest = ''
  const ctr = (...args: string[]): string =>
    runProgram('ctr', ['--address', daemon?.socket ?? '', ...args], { env: fixture.env })

  before(async () => {
    fixture = await openFixture()
    digest = await writeImageLayout(join(fixture.folder, 'image'))
    daemon = await startContainerd(fixture.folder)
  })
  after(async () => {
    await daemon?.stop()
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
