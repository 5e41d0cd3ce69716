import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { parse } from 'yaml'
import { held, pushHeld } from '../../enforcement/denied-doors.ts'
import { eventually, PolicyServer } from '../../serve/policy-server.ts'
import { checkLines, checkResult } from '../../support/check-result.ts'
import { startedServer } from '../../support/server-process.ts'
import { runCommand } from '../../support/run-trow.ts'

const content = held('sha256')
const apiVersion = 'policy.trow.io/v1alpha1'
const soon = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString()

function policyOf(name: string, spec: object): object {
  return {
    apiVersion,
    kind: 'TrowPolicy',
    metadata: { name },
    spec: { mode: 'enforce', default: 'pass', ...spec },
  }
}

suite('the commands that edit what is in force', () => {
  let registry: PolicyServer
  before(async () => {
    registry = await new PolicyServer().start({ args: ['--audit', 'on'] })
    await pushHeld(registry, content)
  })
  after(() => registry[Symbol.asyncDispose]())

  const trow = (...args: readonly string[]) => runCommand([...args, '--data', registry.data])
  const pull = async (): Promise<number> => (await registry.send('GET', '/v2/prod/app/manifests/good')).status
  /** As if there had been none before. */
  async function empty(): Promise<void> {
    const { units } = await registry.status()
    for (const { name } of units) registry.remove(name)
    await eventually(async () => (await registry.status()).units.length === 0, 'there are no policies')
  }
  const given = (name: string, text: string): string => {
    const folder = join(registry.root, 'given')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }

  test('deny makes a policy where there is none, and allow undoes it', async () => {
    await empty()
    const done = await trow('policy', 'deny', '@trow/prod', '--reason', 'a freeze', '--fix', 'wait')
    assert.equal(done.code, 0, done.stderr)
    assert.match(
      done.stdout,
      /^policy deny-list denies @trow\/prod: in force at every door \(generation \d+\)\n$/,
    )
    assert.equal(await pull(), 403)
    const again = await trow('policy', 'deny', '@trow/prod', '--reason', 'a freeze', '--fix', 'wait')
    assert.equal(again.stdout, 'policy deny-list denies @trow/prod already\n')
    const undone = await trow('policy', 'allow', '@trow/prod')
    assert.match(undone.stdout, /^policy deny-list does not deny @trow\/prod any more: in force/)
    assert.equal(await pull(), 200)
  })

  test('allow adds to an approve list', async () => {
    await empty()
    registry.write('p.json', [policyOf('production', { default: 'deny' })])
    await eventually(async () => (await pull()) === 403, 'nothing is allowed')
    const done = await trow('policy', 'allow', '@trow/prod', '--policy', 'production')
    assert.match(done.stdout, /^policy production allows @trow\/prod: in force/)
    assert.equal(await pull(), 200)
    const again = await trow('policy', 'allow', '@trow/prod', '--policy', 'production', '-o', 'json')
    assert.equal(checkResult('PolicyEdit', again.stdout).outcome, 'unchanged')
    const document = JSON.parse(readFileSync(join(registry.policies, 'p.json'), 'utf8')) as {
      spec: { rules: unknown }
    }
    assert.deepEqual(document.spec.rules, [{ scope: '@trow/prod', unverified: true }])
  })

  test('says that a policy that does not enforce refuses nothing', async () => {
    await empty()
    registry.write('p.json', [policyOf('baseline', { mode: 'audit' })])
    await eventually(async () => (await registry.status()).units.length === 1, 'it is there')
    const { code, stderr } = await trow('policy', 'deny', '@trow/prod', '--reason', 'r')
    assert.equal(code, 0)
    assert.equal(stderr, 'note: policy baseline is in mode "audit" at pulls, and refuses none\n')
    assert.equal(await pull(), 200)
  })

  test('apply makes and replaces what files hold, policies first, and nothing where one does not load', async () => {
    await empty()
    const exception = {
      apiVersion,
      kind: 'TrowException',
      metadata: { name: 'jira-1' },
      spec: {
        policies: ['production'],
        images: [{ scope: '@trow/prod' }],
        namespaces: ['*'],
        reason: 'r',
        expires: soon(1),
      },
    }
    const production = policyOf('production', { deny: [{ scope: 'quay.io', reason: 'r' }] })
    const file = given(
      'all.yaml',
      [exception, production].map((each) => JSON.stringify(each)).join('\n---\n'),
    )
    const done = await trow('policy', 'apply', file)
    assert.equal(done.code, 0, done.stderr)
    assert.match(done.stdout, /^TrowPolicy production: in force .*\nTrowException jira-1: in force .*\n$/)
    const json = await trow('policy', 'apply', file, '-o', 'json')
    assert.deepEqual(
      checkResult('PolicyEditList', json.stdout).items.map(({ object, outcome }) => [object.name, outcome]),
      [
        ['production', 'in-force'],
        ['jira-1', 'in-force'],
      ],
    )
    const bad = given('bad.json', JSON.stringify(policyOf('production', { mode: 'on' })))
    const refused = await trow('policy', 'apply', file, bad)
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /bad\.json:1:\d+: error: spec\.mode.*\n.*POLICY_INVALID/s)
    // Only the registry knows which of its names are its own, and how long exceptions may be.
    const long = { ...exception, spec: { ...exception.spec, expires: soon(100) } }
    const rejected = await trow('policy', 'apply', given('long.json', JSON.stringify(long)))
    assert.equal(rejected.code, 1)
    assert.match(
      rejected.stderr,
      /^spec\.expires: an exception lasts 90 days at most.*\n.*nothing was changed \(POLICY_INVALID\)/,
    )
  })

  test('status shows what is in force, what is not, and ends with 79 then', async () => {
    await empty()
    registry.write('good.json', [
      policyOf('production', { at: { pull: 'warn' }, deny: [{ scope: 'quay.io', reason: 'r' }] }),
    ])
    await eventually(async () => (await registry.status()).units.length === 1, 'it is there')
    await trow(
      'exception',
      'add',
      'jira-2',
      '--policy',
      'production',
      '--image',
      'quay.io/a',
      '--in-namespace',
      '*',
      '--reason',
      'vendor',
      '--expires',
      '3d',
    )
    const fine = await trow('policy', 'status')
    assert.equal(fine.code, 0)
    assert.match(
      fine.stdout,
      /^source {4}the folder .*, heard \d+ s ago\nin force {2}generation \d+ since 20.*Z\n\nPOLICY .*\nproduction {2}enforce \(pull: warn\) +0 +1 +in force\n\nEXCEPTION .*\njira-2 +production +20\S+Z +2 d left +vendor\n$/,
    )
    registry.write('good.json', 'spec: {')
    await eventually(async () => !(await registry.status()).ok, 'it is broken')
    const broken = await trow('policy', 'status')
    assert.equal(broken.code, 79)
    assert.match(broken.stdout, /production .* last good\n/)
    assert.match(broken.stdout, /\nnot in force as it stands there:\n {2}good\.json:1:\d+: /)
    const json = checkResult('PolicyStatus', (await trow('policy', 'status', '-o', 'json')).stdout)
    assert.equal(json.ok, false)
    assert.match(json.lastSync ?? '', /^20.*Z$/)
  })

  test('an exception is made, listed and ended', async () => {
    await empty()
    registry.write('p.json', [policyOf('production', { deny: [{ scope: '@trow/prod', reason: 'r' }] })])
    await eventually(async () => (await pull()) === 403, 'it is denied')
    const flags = [
      '--policy',
      'production',
      '--image',
      '@trow/prod',
      '--in-namespace',
      '*',
      '--reason',
      'hotfix',
    ]
    const made = await trow(
      'exception',
      'add',
      'jira-3',
      ...flags,
      '--expires',
      '7d',
      '--override-deny',
      '--ticket',
      'J-3',
    )
    assert.equal(made.code, 0, made.stderr)
    assert.match(made.stdout, /^exception jira-3 until 20\S+Z: in force at every door/)
    assert.equal(await pull(), 200)
    const taken = await trow('exception', 'add', 'jira-3', ...flags, '--expires', '7d')
    assert.equal(taken.code, 1)
    assert.match(taken.stderr, /TrowException jira-3 is there already \(POLICY_CONFLICT\)/)
    const listed = await trow('exception', 'list')
    assert.match(listed.stdout, /^EXCEPTION .*\njira-3 +production +20\S+Z +6 d left +hotfix\n$/)
    const ended = await trow('exception', 'expire', 'jira-3')
    assert.match(ended.stdout, /^exception jira-3 has ended: in force/)
    assert.equal(await pull(), 403)
    const listing = await trow('exception', 'list', '-o', 'json')
    const rows = checkResult('PolicyExceptionList', listing.stdout).items
    const lines = checkLines('PolicyException', (await trow('exception', 'list', '-o', 'jsonl')).stdout)
    assert.deepEqual(lines.map(({ name }) => name), ['jira-3']) // prettier-ignore
    assert.equal((await trow('exception', 'list', '-o', 'name')).stdout, 'jira-3\n')
    assert.deepEqual(rows.map(({ isLive }) => isLive), [false]) // prettier-ignore
    const unknown = await trow('exception', 'expire', 'jira-4')
    assert.equal(unknown.code, 1)
    assert.match(unknown.stderr, /there is no TrowException jira-4 \(POLICY_UNKNOWN\)/)
  })

  test('explain opens a refusal by the id in its message', async () => {
    await empty()
    registry.write('p.json', [policyOf('production', { default: 'deny' })])
    await eventually(async () => (await pull()) === 403, 'it is denied')
    const { message } = await registry.send('GET', '/v2/prod/app/manifests/good')
    const id = /details: trow policy explain (\S+)/.exec(message)?.[1] ?? ''
    const { stdout, code } = await trow('policy', 'explain', id)
    assert.equal(code, 0)
    assert.match(
      stdout,
      /^denied {2}pull of prod\/app:good\nwhen {5}20.*Z\nwho {6}system:anonymous \(anonymous\)\nfrom {5}127\.0\.0\.1\nsaid {5}policy production: NOT_ALLOWED/,
    )
    assert.match(
      stdout,
      /\npolicy production {2}refuses it\n {2}reason {3}NOT_ALLOWED: no rule .*\n {2}to pass {2}trow policy allow @trow\/prod\/app --policy production\n {7}or {2}trow exception add/,
    )
    const asYaml = parse((await trow('policy', 'explain', id, '-o', 'yaml')).stdout) as unknown
    assert.deepEqual(asYaml, JSON.parse((await trow('policy', 'explain', id, '-o', 'json')).stdout))
    const json = JSON.parse((await trow('policy', 'explain', id, '-o', 'json')).stdout) as {
      data: { requestId: string }
    }
    assert.equal(json.data.requestId, id)
    // What it says is true.
    assert.equal((await trow('policy', 'allow', '@trow/prod/app', '--policy', 'production')).code, 0)
    assert.equal(await pull(), 200)
  })

  test('which policy is meant is asked for where there are several', async () => {
    await empty()
    registry.write('p.json', [policyOf('one', {})])
    registry.write('q.json', [policyOf('two', {})])
    await eventually(async () => (await registry.status()).units.length === 2, 'both are there')
    const { code, stderr } = await trow('policy', 'deny', 'quay.io', '--reason', 'r')
    assert.equal(code, 2)
    assert.match(stderr, /there are 2 policies: one, two \(POLICY_AMBIGUOUS\)/)
  })

  const refusals: readonly (readonly [args: readonly string[], code: number, message: RegExp])[] = [
    [['policy', 'deny', 'nginx', '--reason', 'r'], 2, /SCOPE_SHORT.*SCOPE_INVALID/],
    [['policy', 'allow', 'quay.io', '--policy', 'none'], 1, /there is no TrowPolicy none \(POLICY_UNKNOWN\)/],
    [['policy', 'deny', 'quay.io', '--reason', 'two\nlines', '--policy', 'new'], 1, /spec\.deny.*must be one line/],
    [['policy', 'explain', 'a b'], 2, /OPTION_INVALID/],
    [['policy', 'explain', 'nobody-knows'], 1, /DECISION_UNKNOWN/],
    [['exception', 'add', 'x', '--policy', 'p', '--image', 'quay.io', '--in-namespace', '*', '--reason', 'r', '--expires', 'soon'], 2, /TIME_INVALID/],
    [['exception', 'add', 'x', '--policy', 'p', '--image', 'quay.io', '--in-namespace', '*', '--reason', 'r', '--expires', '2020-01-01T00:00:00Z'], 2, /TIME_INVALID/],
    [['exception', 'add', 'x', '--policy', 'p', '--image', 'quay.io', '--in-namespace', '*', '--reason', 'r', '--expires', '99999999999d'], 2, /TIME_INVALID/],
    [['policy', 'apply', '/nonexistent'], 2, /POLICY_UNREADABLE/],
  ] // prettier-ignore
  for (const [args, code, message] of refusals)
    test(`refuses in words: trow ${args.join(' ').replaceAll('\n', ' ')}`, async () => {
      const ran = await trow(...args)
      assert.match(ran.stderr, message)
      assert.equal(ran.code, code)
    })
})

test('a server without policies says so', async () => {
  const data = mkdtempSync(join(tmpdir(), 'trow-off-'))
  const server = await startedServer({ data })
  try {
    for (const args of [['policy', 'status'], ['exception', 'list'], ['quarantine']]) {
      const { code, stderr } = await runCommand([...args, '--data', data])
      assert.equal(code, 1)
      assert.match(stderr, /the server has no policies \(POLICY_OFF\)/)
    }
    // What a digest would cover it tells nevertheless.
    const digest = `sha256:${'0'.repeat(64)}`
    const { code, stdout } = await runCommand(['quarantine', digest, '--dry-run', '--data', data])
    assert.equal(code, 0)
    assert.match(stdout, /covers nothing that the registry holds now/)
  } finally {
    await server.stop()
    rmSync(data, { recursive: true, force: true })
  }
})
