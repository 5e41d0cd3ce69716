import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { missing } from '../../requirements.ts'
import { startDistribution } from '../../support/distribution.ts'
import { moveRegistry, putReferrersTag } from './moved-registry.ts'
import { startCutProxy } from '../../support/cut-proxy.ts'
import {
  digestsBelow,
  putImage,
  putIndex,
  referrersOf,
  type PushedDescriptor,
} from '../../support/registry-content.ts'
import { runCommand } from '../../support/run-trow.ts'
import { startedServer, type ServerProcess } from '../../support/server-process.ts'

const program = fileURLToPath(new URL('../../../bin/trow.js', import.meta.url))
const images = 10

suite('trow copy and Distribution', { skip: missing('registry') }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'trow-copy-distribution-'))
  let trow: ServerProcess
  let distribution: { readonly url: string; stop(): Promise<void> }
  const copy = (...args: readonly string[]): ReturnType<typeof runCommand> => runCommand(['copy', ...args])
  const host = (url: string): string => new URL(url).host

  before(async () => {
    trow = await startedServer({ data: join(folder, 'trow') })
    distribution = await startDistribution(join(folder, 'distribution'))
  })
  after(async () => {
    await Promise.all([trow.stop(), distribution.stop()])
    rmSync(folder, { recursive: true, force: true })
  })

  test('images of three platforms with referrers go from Distribution to trow and back', async () => {
    const from = distribution.url
    const signatures: PushedDescriptor[] = []
    const names = Array.from({ length: images }, (_, place) => `apps/app-${place}`)
    for (const name of names) {
      const { index } = await putIndex(from, name, '1', [500])
      const signature = await putImage(from, name, { subject: index, layers: [50] })
      signatures.push(signature)
      // Distribution has no referrers API: its clients keep the tag schema.
      assert.deepEqual(await referrersOf(from, name, index.digest), [])
      await putReferrersTag(from, name, index, signature)
    }
    for (const [place, name] of names.entries()) {
      const { code, stderr } = await copy(
        `${host(from)}/${name}:1`,
        `${host(trow.url)}/${name}`,
        '--referrers',
      )
      assert.equal(code, 0, stderr)
      const all = await digestsBelow(from, name, '1')
      assert.deepEqual(await digestsBelow(trow.url, name, '1'), all)
      const signature = signatures[place]?.digest
      assert.deepEqual(await referrersOf(trow.url, name, all[0] ?? ''), [signature])
      if (place > 1) continue
      const back = await copy(`${host(trow.url)}/${name}:1`, `${host(from)}/back/${name}`, '--referrers')
      assert.equal(back.code, 0, back.stderr)
      assert.deepEqual(await digestsBelow(from, `back/${name}`, '1'), all)
      const tag = (all[0] ?? '').replace(':', '-')
      assert.deepEqual((await digestsBelow(from, `back/${name}`, tag)).slice(1), await digestsBelow(from, name, signature ?? '')) // prettier-ignore
    }
  })

  test('mounts blobs within Distribution', async () => {
    await putIndex(distribution.url, 'here/app', '1')
    const { code, stderr } = await copy(
      `${host(distribution.url)}/here/app:1`,
      `${host(distribution.url)}/there/app:1`,
    )
    assert.equal(code, 0, stderr)
    assert.match(stderr, /\n0 of 9 blobs sent/)
    assert.deepEqual(
      await digestsBelow(distribution.url, 'there/app', '1'),
      await digestsBelow(distribution.url, 'here/app', '1'),
    )
  })

  test('a copy that is killed twice goes on, and is equal', async () => {
    const size = 6_000_000
    await putIndex(distribution.url, 'large/app', '1', [size, size])
    const proxy = await startCutProxy(Number(new URL(trow.url).port))
    const args = [`${host(distribution.url)}/large/app:1`, `127.0.0.1:${proxy.port}/large/app:1`]
    for (const most of [size * 2, size * 4]) {
      const child = spawn(process.execPath, [program, 'copy', ...args], { stdio: 'ignore' })
      const timer = setInterval(() => proxy.sent > most && child.kill('SIGKILL'), 2)
      const [, signal] = (await once(child, 'close')) as [number | null, string | null]
      clearInterval(timer)
      assert.equal(signal, 'SIGKILL')
      assert.equal((await fetch(`${trow.url}/v2/large/app/manifests/1`)).status, 404)
    }
    const { code, stderr } = await copy(...args)
    assert.equal(code, 0, stderr)
    assert.match(stderr, /is there already/)
    assert.deepEqual(
      await digestsBelow(trow.url, 'large/app', '1'),
      await digestsBelow(distribution.url, 'large/app', '1'),
    )
    assert.match((await copy(...args)).stderr, /\n0 of 9 blobs sent/)
    await proxy.close()
  })

  test('the script of the tutorial moves a registry: killed twice, it goes on, and sends nothing again', async (context) => {
    const figures = await moveRegistry(join(folder, 'moved'), 3)
    context.diagnostic(JSON.stringify(figures))
  })
})
