import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { suite, test, type TestContext } from 'node:test'
import { cases, held, pushHeld, type Held } from '../../enforcement/denied-doors.ts'
import type { Answered } from '../../enforcement/guarded-registry.ts'
import { config, image, push } from '../../enforcement/images.ts'
import { PolicyServer } from '../../serve/policy-server.ts'
import { checkLines, checkResult } from '../../support/check-result.ts'
import { runCommand } from '../../support/run-trow.ts'

type Ran = Awaited<ReturnType<typeof runCommand>>

/** A command on the policies of a server, and what a person sees of it. */
function commandOf(registry: PolicyServer, context?: TestContext) {
  return async (...args: readonly string[]): Promise<Ran> => {
    const ran = await runCommand([...args, '--data', registry.data])
    context?.diagnostic(`$ trow ${args.join(' ')}\n${ran.stdout}${ran.stderr}(exit ${ran.code})`)
    return ran
  }
}

/** A layer that all images of `held` and one of another repository share. */
const content = held('sha256')
const all: Held = { ...content, layer: content.shared }
const elsewhere = image([config('riscv64'), content.shared])
const again = image([config('amd64'), content.layer, content.shared], { note: 'pushed again' })
const { digest } = all.layer
const audited = { args: ['--audit', 'on'] }

suite('trow quarantine', () => {
  test('of a layer that several images share refuses each request, names what it covers, and is lifted', async (context) => {
    await using registry = await new PolicyServer().start({ args: ['--workers', '2', '--audit', 'on'] })
    const trow = commandOf(registry, context)
    await pushHeld(registry, content)
    await push(registry, 'team/other', elsewhere, 'v1')
    assert.equal((await registry.send('GET', '/v2/prod/app/manifests/good')).status, 200)

    const before = await trow('quarantine', digest, '--dry-run')
    assert.equal(before.code, 0)
    assert.equal((await trow('quarantine')).stderr, 'nothing is quarantined\n')

    const done = await trow('quarantine', digest, '--reason', 'CVE-2024-3094', '--fix', 'rebuild it')
    assert.equal(done.code, 0, done.stderr)
    assert.match(
      done.stdout,
      new RegExp(`^quarantined ${digest}: in force at every door \\(generation \\d+\\)\n`),
    )
    for (const manifest of [content.bad, content.good, elsewhere])
      assert.match(done.stdout, new RegExp(`${manifest.digest}  with it as layer`))
    assert.match(done.stdout, new RegExp(`${content.index.digest}  index with ${content.bad.digest} +index`))
    assert.match(
      done.stdout,
      new RegExp(`${content.outer.digest}  index with ${content.index.digest} +outer`),
    )

    const asked = cases.find(({ denied }) => denied === 'a layer')?.asked(all) ?? []
    const others = [
      '/v2/prod/app/manifests/good',
      '/v2/team/other/manifests/v1',
      `/v2/team/other/blobs/${digest}`,
    ]
    const { message } = await registry.send('GET', '/v2/team/other/manifests/v1')
    context.diagnostic(message)
    let refused = 0
    for (const { what, send } of asked) {
      assertRefused(await send(registry), what)
      refused++
    }
    for (const path of others) assertRefused(await registry.send('GET', path), path)
    context.diagnostic(`${refused + others.length} requests refused, let through: 0`)
    const own = await registry.send('GET', `/v2/prod/app/blobs/${content.config.digest}`)
    assert.equal(own.status, 200, 'what only stands beside it stays')

    const listed = await trow('quarantine')
    assert.match(listed.stdout, new RegExp(`^DIGEST +REASON +FIX\n${digest}  CVE-2024-3094  rebuild it\n$`))
    const id = /trow policy explain (\S+)/.exec(message)?.[1] ?? ''
    const explained = await trow('policy', 'explain', id)
    assert.match(explained.stdout, new RegExp(`to pass {2}trow quarantine ${digest} --lift`))

    const lifted = await trow('quarantine', digest, '--lift')
    assert.match(lifted.stdout, new RegExp(`^lifted ${digest}: in force at every door`))
    for (const { what, before: status, send } of asked) {
      const answered = await send(registry)
      assert.equal(answered.status, status, `lifted: ${what}`)
    }
    assert.equal((await trow('quarantine')).stdout, '')
  })

  test('names the same image pushed again, and who has pulled it', async (context) => {
    await using registry = await new PolicyServer().start(audited)
    const trow = commandOf(registry, context)
    await pushHeld(registry, content)
    await push(registry, 'team/copy', again, 'copy')
    for (let times = 0; times < 3; times++) await registry.send('GET', '/v2/prod/app/manifests/bad')
    // Pulls of one minute are one record, which is written at its end, or when the server stops.
    await registry.stop()
    await registry.start(audited)
    const { stdout, code } = await trow('quarantine', content.bad.digest, '--reason', 'it is broken')
    assert.equal(code, 0)
    assert.match(stdout, new RegExp(`prod/app +${content.bad.digest}  itself +bad\n`))
    assert.match(
      stdout,
      new RegExp(
        `not covered, the same image pushed again\n.*\n +team/copy +${again.digest}  its config with ${content.bad.digest}`,
      ),
    )
    assert.match(stdout, /\npulled in the last 30 days\n +USER .*\n +\S+ +prod\/app +bad +3 /)
    const dry = await trow('quarantine', content.bad.digest, '--dry-run', '-o', 'json')
    const { coverage, outcome } = checkResult('Quarantine', dry.stdout)
    assert.ok(coverage !== undefined && 'holders' in coverage)
    assert.deepEqual([coverage.holders.length, coverage.pulls?.[0]?.count, outcome], [3, 3, undefined])
  })

  test('is one entry of one policy for each digest, whatever is done twice', async () => {
    await using registry = await new PolicyServer().start(audited)
    const trow = commandOf(registry)
    const [one, two] = [`sha256:${'1'.repeat(64)}`, `sha256:${'2'.repeat(64)}`]
    const first = await trow('quarantine', one, '--reason', 'first')
    assert.match(first.stdout, /covers nothing that the registry holds now; it is refused when it comes\n/)
    assert.match(first.stdout, /nobody has pulled it in the last 30 days\n/)
    assert.equal((await trow('quarantine', two, '--reason', 'second')).code, 0)
    assert.match((await trow('quarantine', one, '--reason', 'first')).stdout, /is quarantined already\n/)
    assert.equal((await trow('quarantine', one, '--reason', 'better')).code, 0)
    const rows = checkResult('QuarantinedDigestList', (await trow('quarantine', '-o', 'json')).stdout).items
    const lines = checkLines('QuarantinedDigest', (await trow('quarantine', '-o', 'jsonl')).stdout)
    assert.equal(lines.length, 2)
    assert.equal((await trow('quarantine', '-o', 'name')).stdout, `${one}\n${two}\n`)
    const again = await trow('quarantine', one, '--reason', 'better', '-o', 'yaml')
    assert.equal(checkResult('Quarantine', again.stdout).outcome, 'unchanged')
    assert.deepEqual(rows, [
      { digest: one, reason: 'better' },
      { digest: two, reason: 'second' },
    ])
    const { units } = await registry.status()
    assert.deepEqual(units.flatMap(({ objects }) => objects.map(({ name }) => name)), ['quarantine']) // prettier-ignore
    const lifted = await trow('quarantine', one, '--lift', '-o', 'json')
    assert.equal(checkResult('Quarantine', lifted.stdout).outcome, 'in-force')
    const unknown = await trow('quarantine', one, '--lift')
    assert.equal(unknown.code, 1)
    assert.match(unknown.stderr, /NOT_QUARANTINED/)
  })

  test('of several digests at once loses none of them', async () => {
    await using registry = await new PolicyServer().start()
    const trow = commandOf(registry)
    const digests = Array.from({ length: 4 }, (_, each) => `sha256:${String(each).repeat(64)}`)
    const done = await Promise.all(digests.map((each) => trow('quarantine', each, '--reason', 'r')))
    assert.deepEqual(done.map(({ code, stderr }) => [code, stderr]), digests.map(() => [0, ''])) // prettier-ignore
    const { items: rows } = checkResult(
      'QuarantinedDigestList',
      (await trow('quarantine', '-o', 'json')).stdout,
    )
    assert.deepEqual(rows.map((row) => row.digest ?? '').sort(), digests)
  })

  test('does not say that something is in force which somebody has switched off', async () => {
    await using registry = await new PolicyServer().start(audited)
    const trow = commandOf(registry)
    const policy = (more: object): object => ({
      apiVersion: 'policy.trow.io/v1alpha1',
      kind: 'TrowPolicy',
      metadata: { name: 'quarantine' },
      spec: { mode: 'enforce', default: 'pass', ...more },
    })
    for (const more of [{ mode: 'audit' }, { at: { pull: 'warn' } }, { namespaces: { include: ['a'] } }]) {
      registry.write('trowpolicy-quarantine.json', [policy(more)])
      const { code, stderr, stdout } = await trow('quarantine', digest, '--reason', 'r')
      assert.equal(code, 1, stdout)
      assert.match(stderr, /QUARANTINE_CHANGED/)
    }
  })

  const mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
  const { status: cannotMount } = spawnSync('unshare', ['--mount', 'true'])
  test(
    'of a folder that is mounted read-only is refused in words',
    { skip: cannotMount !== 0 && 'needs the right to mount' },
    async () => {
      await using registry = new PolicyServer()
      await registry.start({ within: ['unshare', '--mount', 'sh', '-c', mount, registry.policies] })
      const { code, stderr } = await commandOf(registry)('quarantine', digest, '--reason', 'r')
      assert.equal(code, 77)
      assert.match(stderr, /cannot be written by the server: .*\(POLICY_READ_ONLY\)\n.*ConfigMap/i)
    },
  )

  const refusals: readonly (readonly [args: readonly string[], code: number, message: RegExp])[] = [
    [['latest', '--reason', 'r'], 2, /SCOPE_INVALID/],
    [['docker.io/library', '--reason', 'r'], 2, /is no digest.*SCOPE_INVALID/],
    [['sha256:12', '--reason', 'r'], 2, /SCOPE_INVALID/],
    [[digest], 2, /--reason is needed.*OPTION_INVALID/],
    [[digest, '--lift', '--reason', 'r'], 2, /OPTION_INVALID/],
    [[digest, '--lift', '--dry-run'], 2, /OPTION_INVALID/],
    [['--lift'], 2, /no digest.*OPTION_INVALID/],
    [[digest, '--reason', 'r', '--context', 'c'], 2, /CONFIG_INVALID/],
    [[digest, '--reason', 'r'], 69, /SERVER_NOT_RUNNING/],
  ]
  for (const [args, code, message] of refusals)
    test(`refuses in words: trow quarantine ${args.join(' ')}`, async () => {
      const ran = await runCommand(['quarantine', ...args, '--data', '/nonexistent'])
      assert.match(ran.stderr, message)
      assert.equal(ran.code, code)
    })
})

function assertRefused({ status, code, text, message }: Answered, what: string): void {
  assert.equal(status, 403, what)
  if (text === '') return
  assert.equal(code, 'DENIED', what)
  assert.match(message, /refused by policy quarantine\n.*DENY_LIST .*CVE-2024-3094\. Fix: rebuild it/, what)
}
