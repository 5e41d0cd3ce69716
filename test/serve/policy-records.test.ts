import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Coverage } from '../../src/policy-store/policy-coverage.ts'
import { policyPaths } from '../../src/policy-store/policy-edits.ts'
import { cases, held, pushHeld } from '../enforcement/denied-doors.ts'
import { image, config, index, layer, push } from '../enforcement/images.ts'
import { denying, exception, policy } from '../enforcement/test-feed.ts'
import { runCommand } from '../support/run-trow.ts'
import { runTrow } from '../support/server-process.ts'
import { eventually, PolicyServer } from './policy-server.ts'

interface AuditedChange {
  readonly type: string
  readonly data: {
    readonly action: string
    readonly decision: string
    readonly reason: string
    readonly reference: string
    readonly actor: { readonly user: string }
    readonly change: {
      readonly unit: string
      readonly hash?: string
      readonly before?: string
      readonly generation: number
      readonly changedAt?: string
    }
  }
}

async function auditedChanges(registry: PolicyServer): Promise<AuditedChange[]> {
  const { output } = await runTrow(['audit', 'query', '--data', registry.data, '-o', 'jsonl'])
  return output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as AuditedChange)
    .filter(({ data }) => data.action?.startsWith('policy-'))
}

suite('the audit', () => {
  test('has each change of a policy and an exception: what, who, from and to', async () => {
    await using registry = await new PolicyServer().start({ args: ['--audit', 'on'] })
    const inForce = (names: number): Promise<void> =>
      eventually(async () => {
        const { units, ok } = await registry.status()
        return ok && units.flatMap(({ objects }) => objects).length === names
      }, `${names} objects are in force`)
    registry.write('p.json', [policy({})])
    await inForce(1)
    registry.write('e.json', [exception({ images: [{ scope: '@trow/x' }] })])
    await inForce(2)
    registry.write('p.json', 'kind: [')
    await eventually(async () => !(await registry.status()).ok, 'it is broken')
    const next = policy({ mode: 'audit' })
    registry.write('p.json', [next])
    await inForce(2)
    registry.remove('e.json')
    await inForce(1)
    await eventually(async () => (await auditedChanges(registry)).length === 5, 'all is written')
    const changes = await auditedChanges(registry)
    assert.deepEqual(
      changes.map(({ type, data: { action, decision, reference } }) => [type, action, decision, reference]),
      [
        ['io.trow.policy-create.allowed.v1', 'policy-create', 'allow', 'TrowPolicy/p'],
        ['io.trow.policy-create.allowed.v1', 'policy-create', 'allow', 'TrowException/e'],
        ['io.trow.policy-reject.failed.v1', 'policy-reject', 'error', 'p.json'],
        ['io.trow.policy-change.allowed.v1', 'policy-change', 'allow', 'TrowPolicy/p'],
        ['io.trow.policy-delete.allowed.v1', 'policy-delete', 'allow', 'TrowException/e'],
      ],
    )
    const [created, , rejected, changed] = changes
    assert.equal(created?.data.actor.user, `uid ${process.getuid?.()}`)
    assert.ok(Math.abs(Date.parse(created?.data.change.changedAt ?? '') - Date.now()) < 600_000)
    assert.match(rejected?.data.reason ?? '', /^p\.json:1:\d+: /)
    assert.equal(changed?.data.change.before, created?.data.change.hash)
    assert.ok((changed?.data.change.generation ?? 0) > (created?.data.change.generation ?? 0))
    assert.equal((await runTrow(['audit', 'verify', '--data', registry.data])).code, 0)
  })

  test('has a refusal under the id of its message, with the policy', async () => {
    await using registry = await new PolicyServer().start({ args: ['--audit', 'on'] })
    const app = image([config('amd64'), layer('app')])
    await push(registry, 'prod/app', app)
    registry.write('deny.json', [denying(app.digest)])
    const pull = (): Promise<{ status: number; message: string }> =>
      registry.send('GET', `/v2/prod/app/manifests/${app.digest}`)
    await eventually(async () => (await pull()).status === 403, 'the image is denied')
    const id = /policy explain (\S+)/.exec((await pull()).message)?.[1]
    assert.ok(id !== undefined)
    await eventually(async () => {
      const { output } = await runTrow(['audit', 'query', '--data', registry.data, '-o', 'jsonl'])
      const line = output.split('\n').find((each) => each.includes(id))
      return line?.includes('"outcome":"denied","reason":"DENY_LIST"') === true
    }, 'the refusal is on record')
  })
})

suite('each refusal is opened by the id in its message', () => {
  // A server for each: of one address 30 denials a minute have records of their own.
  for (const { denied, pick, asked } of cases)
    test(`where ${denied} is denied, at every door`, async (context) => {
      await using registry = await new PolicyServer().start({ args: ['--audit', 'on', '--workers', '2'] })
      const content = held('sha256')
      await pushHeld(registry, content)
      registry.write('deny.json', [denying(pick(content).sha256)])
      await eventually(async () => {
        const { ok, units } = await registry.status()
        return ok && units.length === 1
      }, 'it is in force')
      const ids = new Set<string>()
      let refused = 0
      for (const { what, send } of asked(content)) {
        const { status, text, message } = await send(registry)
        assert.equal(status, 403, what)
        if (text === '') continue
        const [, id = ''] = /\n {2}details: trow policy explain (\S+)$/.exec(message) ?? []
        assert.notEqual(id, '', `${what}: ${message}`)
        ids.add(id)
        refused++
      }
      assert.ok(refused >= 20, String(refused))
      for (const id of ids) {
        const { code, stdout, stderr } = await runCommand(['policy', 'explain', id, '--data', registry.data])
        assert.equal(code, 0, stderr)
        assert.match(stdout, /DENY_LIST/)
      }
      context.diagnostic(`${refused} refusals with a message, ${ids.size} records`)
    })
})

suite('coverage of a digest', () => {
  test('lists what holds it where, the same image pushed again, and who has pulled it', async () => {
    await using registry = await new PolicyServer().start({ args: ['--audit', 'on'] })
    const [amd, arm] = [config('amd64'), config('arm64')]
    const [bad, shared] = [layer('bad'), layer('shared')]
    const app = image([amd, bad, shared])
    const other = image([arm, shared])
    const whole = index([app, other])
    const again = image([amd, bad, shared], { note: 'pushed again' })
    const relayered = image([config('riscv64'), bad, shared])
    await push(registry, 'prod/app', whole, 'v1')
    await push(registry, 'dev/app', app, 'mine')
    await push(registry, 'dev/again', again, 'v2')
    await push(registry, 'dev/relayered', relayered)
    for (const path of ['prod/app/manifests/v1', 'dev/app/manifests/mine', 'dev/app/manifests/mine'])
      assert.equal((await registry.send('GET', `/v2/${path}`)).status, 200)
    const coverage = async (digest: string): Promise<Coverage> =>
      (await registry.ask(policyPaths.coverage, { digest })).answer as Coverage
    await eventually(
      async () => ((await coverage(app.digest)).pulls ?? []).length === 2,
      'pulls are on record',
    )
    const found = await coverage(app.digest)
    const told = found.holders.map(({ repository, manifest, as, tags }) => [
      repository,
      manifest,
      as,
      ...tags,
    ])
    assert.deepEqual(told.map((each) => each.join(' ')).sort(), [
      `dev/app ${app.digest} self mine`,
      ...[`prod/app ${app.digest} self`, `prod/app ${whole.digest} manifest v1`].sort(),
    ])
    assert.deepEqual(
      found.again.map(({ repository, manifest, shares }) => [repository, manifest, shares]),
      [
        ['dev/again', again.digest, 'config'],
        ['dev/relayered', relayered.digest, 'layers'],
      ],
    )
    assert.deepEqual(
      found.pulls?.map(({ repository, digest, reference }) => [repository, digest, reference]).sort(),
      [
        ['dev/app', app.digest, 'mine'],
        ['prod/app', whole.digest, 'v1'],
      ],
    )
    // The audit counts equal pulls together, and has the count when their minute has ended.
    assert.ok(found.pulls?.every(({ count, last }) => count >= 1 && Date.parse(last) > Date.now() - 600_000))
    assert.equal(found.isComplete, true)
    const ofLayer = await coverage(bad.digest)
    assert.deepEqual(ofLayer.holders.map(({ repository, as }) => `${repository} ${as}`).sort(), [
      'dev/again layer',
      'dev/app layer',
      'dev/relayered layer',
      'prod/app layer',
      'prod/app manifest',
    ])
    assert.deepEqual((await coverage(`sha256:${'0'.repeat(64)}`)).holders, [])
    const { status, answer } = await registry.ask(policyPaths.coverage, { digest: 'sha256:x' })
    assert.deepEqual([status, (answer as { code: string }).code], [409, 'REQUEST_INVALID'])
  })

  test('of content that is kept under its sha512 finds it by the sha256 too', async () => {
    await using registry = await new PolicyServer().start()
    const own = layer('kept under another digest', 'sha512')
    const app = image([config('amd64', 'sha512'), own], { algorithm: 'sha512' })
    await push(registry, 'prod/app', app, 'v1')
    const { answer } = await registry.ask(policyPaths.coverage, { digest: own.sha256 })
    const { holders, pulls } = answer as Coverage
    assert.deepEqual(holders.map(({ as, tags }) => [as, ...tags]), [['layer', 'v1']]) // prettier-ignore
    assert.equal(pulls, undefined)
  })
})
