import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { image, config, layer, push } from '../enforcement/images.ts'
import { denying, exception, policy } from '../enforcement/test-feed.ts'
import {
  policyPaths,
  type PolicyEdit,
  type PolicyEditAnswer,
  type PolicyReadAnswer,
} from '../../src/policy-store/policy-edits.ts'
import { eventually, PolicyServer } from './policy-server.ts'

const app = image([config('amd64'), layer('app')])
const name = 'prod/app'
const pull = `/v2/${name}/manifests/${app.digest}`
const one = { kind: 'TrowPolicy', name: 'quarantine' } as const
const quarantine = denying(app.digest, {}, one.name)

async function edit(registry: PolicyServer, change: PolicyEdit): Promise<PolicyEditAnswer> {
  const { status, answer } = await registry.ask(policyPaths.edit, change)
  assert.equal(status, 200, JSON.stringify(answer))
  return answer as PolicyEditAnswer
}

async function refusal(
  registry: PolicyServer,
  change: PolicyEdit,
): Promise<{ readonly code: string; readonly message: string; readonly hint: string }> {
  const { status, answer } = await registry.ask(policyPaths.edit, change)
  assert.equal(status, 409, JSON.stringify(answer))
  return answer as never
}

async function read(registry: PolicyServer): Promise<PolicyReadAnswer> {
  return (await registry.ask(policyPaths.read, one)).answer as PolicyReadAnswer
}

async function statusOf(registry: PolicyServer): Promise<number> {
  return (await registry.send('GET', pull)).status
}

suite('an edit through the control socket', () => {
  test('makes, replaces and removes a policy, each in force when it is answered', async () => {
    await using registry = await new PolicyServer().start()
    await push(registry, name, app)
    assert.deepEqual(await read(registry), {})
    const made = await edit(registry, { ...one, document: quarantine, from: null })
    assert.equal(made.outcome, 'in-force')
    assert.equal(await statusOf(registry), 403, 'at once')
    assert.deepEqual(readdirSync(registry.policies), ['trowpolicy-quarantine.json'])
    const { object } = await read(registry)
    assert.deepEqual(object?.document, quarantine)
    assert.equal(object?.hash, made.hash)
    assert.equal(object?.place, join(registry.policies, 'trowpolicy-quarantine.json'))
    const open = policy({ deny: [] }, one.name)
    const replaced = await edit(registry, { ...one, document: open, from: object?.hash })
    assert.equal(replaced.outcome, 'in-force')
    assert.equal(await statusOf(registry), 200, 'at once')
    assert.ok(replaced.outcome === 'in-force' && made.outcome === 'in-force')
    assert.ok(replaced.generation > made.generation)
    await edit(registry, { ...one, document: quarantine })
    const removed = await edit(registry, one)
    assert.equal(removed.outcome, 'in-force')
    assert.equal(await statusOf(registry), 200, 'at once')
    assert.deepEqual(readdirSync(registry.policies), [])
  })

  test('of an object in a file of YAML keeps it YAML', async () => {
    await using registry = new PolicyServer()
    const text = 'apiVersion: policy.trow.io/v1alpha1\nkind: TrowPolicy\nmetadata: { name: quarantine }\n'
    registry.write('mine.yaml', `${text}spec: { mode: enforce, default: pass }\n`)
    await registry.start()
    const { object } = await read(registry)
    const made = await edit(registry, { ...one, document: quarantine, from: object?.hash })
    assert.equal(made.outcome, 'in-force')
    assert.match(readFileSync(join(registry.policies, 'mine.yaml'), 'utf8'), /^apiVersion: policy\.trow\.io/)
  })

  test('is refused where the object is another one by now', async () => {
    await using registry = await new PolicyServer().start()
    await edit(registry, { ...one, document: quarantine, from: null })
    const there = await refusal(registry, { ...one, document: quarantine, from: null })
    assert.deepEqual(
      [there.code, there.message],
      ['POLICY_CONFLICT', 'TrowPolicy quarantine is there already'],
    )
    const changed = await refusal(registry, {
      ...one,
      document: quarantine,
      from: `sha256:${'0'.repeat(64)}`,
    })
    assert.equal(changed.message, 'TrowPolicy quarantine was changed meanwhile')
    registry.remove('trowpolicy-quarantine.json')
    const gone = await refusal(registry, { ...one, document: quarantine, from: `sha256:${'0'.repeat(64)}` })
    assert.equal(gone.message, 'TrowPolicy quarantine is gone')
    const unknown = await refusal(registry, one)
    assert.deepEqual([unknown.code, unknown.message], ['POLICY_UNKNOWN', 'there is no TrowPolicy quarantine'])
  })

  test('is refused where it would lose what else a file holds', async () => {
    await using registry = new PolicyServer()
    registry.write('both.json', [
      quarantine,
      exception({ policies: [one.name], images: [{ scope: '@trow/x' }] }),
    ])
    await registry.start()
    const more = await refusal(registry, { ...one, document: quarantine })
    assert.equal(more.code, 'POLICY_NOT_ALONE')
    assert.match(more.message, /both\.json holds more than TrowPolicy quarantine, which an edit would lose/)
    registry.remove('both.json')
    registry.write('noted.yaml', `# asked for by security\n${JSON.stringify(quarantine)}\n`)
    const noted = await refusal(registry, one)
    assert.match(noted.message, /noted\.yaml has comments, which an edit would lose/)
  })

  test('that does not load is rejected, and nothing is written', async () => {
    await using registry = await new PolicyServer().start()
    for (const [document, message] of [
      [policy({ mode: 'enforced' }, one.name), /^spec\.mode: /],
      [policy({}, 'another'), /^the document is no TrowPolicy named quarantine$/],
      ['nothing', /^kind: must be TrowPolicy or TrowException$/],
    ] as const) {
      const answer = await edit(registry, { ...one, document })
      assert.ok(answer.outcome === 'rejected')
      assert.match(answer.problems[0]?.message ?? '', message)
    }
    assert.deepEqual(readdirSync(registry.policies), [])
    const { status, answer } = await registry.ask(policyPaths.edit, { kind: 'Pod', name: 'x' })
    assert.deepEqual([status, (answer as { code: string }).code], [409, 'REQUEST_INVALID'])
  })

  test(
    'says that it is written where another file keeps it from being in force',
    { timeout: 60_000 },
    async () => {
      await using registry = new PolicyServer()
      registry.write('broken.yaml', 'kind: [')
      await registry.start()
      const answer = await edit(registry, { ...one, document: quarantine })
      assert.ok(answer.outcome === 'written')
      assert.equal(answer.problems.length, 1)
    },
  )

  test('that cannot be written for another reason is refused', async () => {
    await using registry = await new PolicyServer().start()
    mkdirSync(join(registry.policies, 'trowpolicy-quarantine.json', 'x'), { recursive: true })
    const { code, message } = await refusal(registry, { ...one, document: quarantine })
    assert.equal(code, 'POLICY_WRITE_FAILED')
    assert.match(message, /trowpolicy-quarantine\.json cannot be written: .*directory/)
  })

  const readOnly = ['unshare', '--mount', 'sh', '-c']
  const mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
  const { status } = spawnSync('unshare', ['--mount', 'true'])
  test(
    'of a folder that is mounted read-only is refused in words',
    { skip: status !== 0 && 'needs the right to mount' },
    async () => {
      await using registry = new PolicyServer()
      registry.write('mine.json', [quarantine])
      await registry.start({ within: [...readOnly, mount, registry.policies] })
      const { code, message, hint } = await refusal(registry, { ...one, document: policy({}, one.name) })
      assert.equal(code, 'POLICY_READ_ONLY')
      assert.match(message, /mine\.json cannot be written by the server: .*read-only file system/i)
      assert.match(hint, /ConfigMap/)
      await eventually(async () => (await registry.status()).ok, 'it is in force as it was')
    },
  )
})
