import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'
import { findProgram, missing } from '../requirements.ts'
import { startCutProxy } from '../support/cut-proxy.ts'
import { openFixture, writeImageLayout, type Fixture } from './fixture.ts'

const layerBytes = 6_000_000

suite('regctl', { skip: missing('regctl') }, () => {
  let fixture: Fixture
  let digest = ''
  before(async () => {
    fixture = await openFixture()
    digest = await writeImageLayout(join(fixture.folder, 'image'), layerBytes)
  })
  after(() => fixture.close())

  async function regctl(host: string, ...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(
      findProgram('regctl') ?? 'regctl',
      ['--host', `reg=${host},tls=disabled`, ...args],
      { env: { ...process.env, ...fixture.env }, timeout: 60_000 },
    )
    return stdout
  }

  test('pushes, pulls and deletes', async () => {
    const { host } = fixture
    await regctl(host, 'image', 'copy', `ocidir://${fixture.folder}/image:latest`, `${host}/regctl/app:1`)
    assert.equal((await regctl(host, 'image', 'digest', `${host}/regctl/app:1`)).trim(), digest)
    await regctl(host, 'image', 'copy', `${host}/regctl/app:1`, `ocidir://${fixture.folder}/back:1`)
    await regctl(host, 'tag', 'delete', `${host}/regctl/app:1`)
    assert.equal((await regctl(host, 'tag', 'ls', `${host}/regctl/app`)).trim(), '')
  })

  test('a push whose connection is cut in the middle of a layer ends well', async () => {
    // Content of its own: what the registry has already is mounted.
    const pushed = await writeImageLayout(join(fixture.folder, 'other'), layerBytes)
    const proxy = await startCutProxy(Number(fixture.host.split(':')[1]))
    let isCut = false
    const watch = setInterval(() => {
      if (isCut || proxy.sent < layerBytes / 2) return
      isCut = true
      proxy.cut()
    }, 0)
    try {
      const host = `127.0.0.1:${proxy.port}`
      await regctl(host, 'image', 'copy', `ocidir://${fixture.folder}/other:latest`, `${host}/regctl/cut:1`)
      assert.ok(isCut && proxy.sent < 2.5 * layerBytes, `${proxy.sent} bytes`)
      assert.equal((await regctl(host, 'image', 'digest', `${host}/regctl/cut:1`)).trim(), pushed)
    } finally {
      clearInterval(watch)
      await proxy.close()
    }
  })
})
