import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { policyPaths } from '../../src/policy-store/policy-edits.ts'
import { image, config, layer, push } from '../enforcement/images.ts'
import { denying } from '../enforcement/test-feed.ts'
import { RawSocket } from '../http/raw-socket.ts'
import { runCommand } from '../support/run-trow.ts'
import { eventually, PolicyServer } from './policy-server.ts'

const app = image([config('amd64'), layer('app')])
const name = 'prod/app'
const pull = `/v2/${name}/manifests/${app.digest}`
const faults = new URL('../support/planned-faults.ts', import.meta.url)

/** What the worker says that answers; undefined: the connection came to the one that hangs. */
function statusOf(registry: PolicyServer): Promise<number | undefined> {
  return Promise.race([registry.send('GET', pull).then(({ status }) => status), sleep(500, undefined)])
}

suite('a worker that hangs', () => {
  test('is named by a quarantine, which the others follow, and holds back no later change', async () => {
    await using registry = new PolicyServer()
    const hang = join(registry.root, 'hang')
    // A worker that hangs would keep the server from stopping.
    using _ = { [Symbol.dispose]: () => rmSync(hang, { force: true }) }
    await registry.start({ args: ['--workers', '2'], env: { HANG_WORKER: hang }, preload: faults })
    await push(registry, name, app)
    writeFileSync(hang, '')
    const socket = new RawSocket(Number(new URL(registry.server.url).port))
    socket.send('GET /v2/ HTTP/1.1\r\nHost: localhost\r\nX-Hang: now\r\n\r\n')
    await sleep(500)
    const at = ['--data', registry.data]
    const begun = performance.now()
    const done = await runCommand(['quarantine', app.digest, '--reason', 'CVE', ...at])
    assert.ok(performance.now() - begun < 30_000)
    assert.equal(done.code, 75, done.stderr)
    assert.match(done.stdout, /written to .*trowpolicy-quarantine\.json, not known to be in force yet/)
    assert.match(
      done.stderr,
      /^ {2}worker [01] has not confirmed generation 2, and may still judge by an older one$/m,
    )
    await eventually(async () => (await statusOf(registry)) === 403, 'the other worker refuses it')
    const { ok, notes } = await registry.status()
    assert.equal(ok, false)
    assert.match(notes.join('\n'), /^worker [01] has not confirmed generation 2/)

    const lifted = await runCommand(['quarantine', app.digest, '--lift', ...at])
    assert.equal(lifted.code, 75, lifted.stderr)
    await eventually(async () => (await statusOf(registry)) === 200, 'the other worker has the next change')

    rmSync(hang)
    await eventually(async () => (await registry.status()).ok, 'it has confirmed')
    assert.deepEqual((await registry.status()).notes, [])
    const again = await runCommand(['quarantine', app.digest, '--reason', 'CVE', ...at])
    assert.equal(again.code, 0, again.stderr)
    for (let tries = 0; tries < 20; tries++) assert.equal(await statusOf(registry), 403)
  })
})

suite('POLICY_AWAY', () => {
  test('is what every question and edit gets while the thread that reads the policies is being replaced', async () => {
    await using registry = new PolicyServer()
    const die = join(registry.root, 'die')
    await registry.start({ env: { DIE_POLICIES: die }, preload: faults })
    await push(registry, name, app)
    writeFileSync(die, '')
    const one = { kind: 'TrowPolicy', name: 'quarantine' } as const
    const document = denying(app.digest, {}, one.name)
    for (const [path, body] of [
      [policyPaths.status, undefined],
      [policyPaths.read, one],
      [policyPaths.edit, { ...one, document, from: null }],
    ] as const) {
      await eventually(async () => {
        const { status, answer } = await registry.ask(path, body)
        if (status === 200) return false
        const { code, message, hint, exitCode } = answer as Record<string, unknown>
        assert.deepEqual([status, code, exitCode], [409, 'POLICY_AWAY', 1], JSON.stringify(answer))
        assert.equal(message, 'the thread that reads the policies does not answer')
        assert.match(String(hint), /try again in a moment\. Meanwhile requests are judged by the policies/)
        return true
      }, `${path} says so`)
    }
    const at = ['--data', registry.data]
    await eventually(async () => {
      const { code, stderr } = await runCommand(['policy', 'status', ...at])
      return code === 1 && stderr.includes('the thread that reads the policies does not answer')
    }, 'the command says so')
    assert.equal((await registry.send('GET', pull)).status, 200, 'requests are judged meanwhile')
    rmSync(die)
    await eventually(async () => (await runCommand(['policy', 'status', ...at])).code === 0, 'it is replaced')
  })
})
