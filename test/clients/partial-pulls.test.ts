import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'
import { findProgram, missing } from '../requirements.ts'
import { startCutProxy, type CutProxy } from '../support/cut-proxy.ts'
import { noRoot } from './daemon.ts'
import { openFixture, writeLayoutOf, type Fixture } from './fixture.ts'

const fileBytes = 6000
const fileCount = 3000
/** Files whose chunks are not adjacent in the layer, so that a pull needs as many ranges. */
const changed = 600

/** skopeo's partial pulls of zstd:chunked layers, which need overlayfs, hence root and a tmpfs. */
suite('partial pulls', { skip: noRoot('overlayfs') || missing('skopeo') }, () => {
  let fixture: Fixture
  let proxy: CutProxy
  before(async () => {
    fixture = await openFixture()
    proxy = await startCutProxy(Number(fixture.host.split(':')[1]))
  })
  after(async () => {
    await proxy.close()
    await fixture.close()
  })

  const run = (program: string, ...args: string[]): Promise<unknown> =>
    promisify(execFile)(findProgram(program) ?? program, args, {
      env: {
        ...process.env,
        ...fixture.env,
        CONTAINERS_STORAGE_CONF: join(fixture.folder, 'storage.conf'),
      },
      timeout: 120_000,
    })

  test(`skopeo fetches what ${changed} changed files need, not the layer`, async () => {
    const files = new Map<string, Buffer>()
    const name = (index: number): string => `file-${String(index).padStart(5, '0')}`
    for (let index = 0; index < fileCount; index++) files.set(name(index), randomBytes(fileBytes))
    for (const version of ['v1', 'v2']) {
      await writeLayoutOf(join(fixture.folder, version), Object.fromEntries(files))
      for (let index = 0; index < changed; index++)
        files.set(name((index * fileCount) / changed), randomBytes(fileBytes))
      await run(
        'skopeo',
        'copy',
        '--insecure-policy',
        '--dest-tls-verify=false',
        '--dest-compress',
        '--dest-compress-format=zstd:chunked',
        `oci:${fixture.folder}/${version}:latest`,
        `docker://${fixture.host}/partial/app:${version}`,
      )
    }
    const store = join(fixture.folder, 'store')
    const [root, state] = [join(store, 'root'), join(store, 'run')]
    writeFileSync(
      join(fixture.folder, 'storage.conf'),
      `[storage]\ndriver = "overlay"\ngraphroot = "${root}"\nrunroot = "${state}"\n` +
        '[storage.options]\npull_options = {enable_partial_images = "true"}\n',
    )
    const pull = (host: string, version: string): string =>
      `skopeo copy --insecure-policy --src-tls-verify=false docker://${host}/partial/app:${version} ` +
      `containers-storage:[overlay@${root}+${state}]localhost/app:${version}`
    const pulls = `${pull(fixture.host, 'v1')} && ${pull(`127.0.0.1:${proxy.port}`, 'v2')}`
    // The mount namespace ends with its process, so that nothing stays mounted.
    await run('unshare', '--mount', 'sh', '-c', `mkdir ${store} && mount -t tmpfs none ${store} && ${pulls}`)
    const needed = changed * fileBytes
    assert.ok(
      proxy.received > needed && proxy.received < 1.3 * needed,
      `${proxy.received} bytes came for ${needed} that have changed, of ${fileCount * fileBytes}`,
    )
  })
})
