import assert from 'node:assert/strict'
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { auditActions } from '../../src/cli/audit/audit-action.ts'
import { encodeAuditRecord } from '../../src/audit/audit-record.ts'
import { startedServer } from '../support/server-process.ts'
import { eventually, openFixture, type AuditFixture } from '../audit/fixture.ts'
import { actor, auditRecordOf } from '../audit/records.ts'
import { checkLines, checkResult } from '../support/check-result.ts'
import { runCommand, startCommand } from '../support/run-trow.ts'

/** In the same sources, and no actions. */
const otherNames = [
  'policy-dir',
  'policy-cluster',
  'policy-database',
  'policy-unjudged',
  'policy-thread',
  'policy-source',
]
const digest = `sha256:${'0123456789abcdef'.repeat(4)}`

suite('trow audit', () => {
  let fixture: AuditFixture
  before(async () => {
    fixture = openFixture()
    const { clock, metadata } = fixture
    const at = (minutes: number): number => clock.now + minutes * 60_000
    const alice = { ...actor, name: 'alice', kind: 'password', serviceAccount: undefined }
    const notes = [
      auditRecordOf('1', { time: at(0) }),
      auditRecordOf('2', {
        time: at(1),
        actor: alice,
        outcome: 'denied',
        status: 403,
        reason: 'no rule allows it',
      }),
      auditRecordOf('3', { time: at(2), action: 'delete', reference: digest, repository: 'team-b/sub/app' }),
      auditRecordOf('4', {
        time: at(3),
        actor: { ...alice, name: 'mallory\u001b[2J' },
        repository: 'x'.repeat(80),
      }),
    ]
    const writer = await fixture.open()
    await metadata.outbox.record(notes.map(encodeAuditRecord), 1)
    const pull = auditRecordOf('5', { time: at(4), action: 'pull', actor: alice })
    writer.merged([
      { key: 'k', auditRecord: encodeAuditRecord(pull), count: 12, first: at(4), last: at(5), denied: false },
    ])
    await writer.close()
    await metadata.close()
  })
  after(() => fixture.close())

  const audit = (...args: string[]): ReturnType<typeof runCommand> =>
    runCommand(['audit', ...args, '--data', fixture.folder])
  const found = async (...args: string[]): Promise<string[]> => {
    const { code, stdout, stderr } = await audit('query', '-o', 'json', ...args)
    assert.equal(code, 0, stderr)
    return checkResult('AuditEventList', stdout)
      .items.filter(({ type }) => !type.startsWith('io.trow.audit.'))
      .map(({ id }) => id)
  }

  test('query prints the same as YAML, and an empty list too', async () => {
    const json = checkResult('AuditEventList', (await audit('query', '-o', 'json')).stdout)
    assert.ok(json.items.length >= 5)
    const yaml = checkResult('AuditEventList', (await audit('query', '-o', 'yaml')).stdout)
    assert.deepEqual(yaml, json)
    const none = await audit('query', '-o', 'yaml', '--user', 'nobody-knows')
    assert.deepEqual(checkResult('AuditEventList', none.stdout).items, [])
  })

  test('query prints a table that fits the terminal, in which nothing moves the cursor', async () => {
    const { code, stdout } = await runCommand(['audit', 'query', '--data', fixture.folder], {
      columns: 101,
      env: { NO_COLOR: '1' },
    })
    assert.equal(code, 0)
    assert.equal(
      stdout,
      `TIME                  RESULT  ACTION   USER                           WHAT
2026-11-24T07:00:00Z  -       started  -                              -
2026-11-24T07:00:00Z  allow   push     system:service…team-a:builder  team-a/app:1.0
2026-11-24T07:01:00Z  deny    push     alice                          team-a/app:1.0: no rule allow…
2026-11-24T07:02:00Z  allow   delete   system:service…team-a:builder  team-b/sub/app@…6:0123456789ab
2026-11-24T07:03:00Z  allow   push     mallory\\u001b[2J               xxxxxxxxxxxxxxx…xxxxxxxxxx:1.0
2026-11-24T07:04:00Z  allow   pull     alice                          team-a/app:1.0 ×12
`,
    )
  })

  test('query cuts nothing where a program reads it', async () => {
    const { code, stdout } = await audit('query')
    assert.equal(code, 0)
    assert.doesNotMatch(stdout, /…/)
    assert.match(stdout, new RegExp(`allow +delete +${actor.name} +team-b/sub/app@${digest}\n`))
    assert.match(stdout, new RegExp(`mallory\\\\u001b\\[2J +${'x'.repeat(80)}:1\\.0\n`))
  })

  test('an action that no event can have is wrong usage; every one that the source records is known', async () => {
    const { code, stderr } = await audit('query', '--action', 'pul')
    assert.equal(code, 2)
    assert.match(
      stderr,
      /--action: there is no action "pul" \(OPTION_INVALID\)\n {2}Did you mean "pull"\? There are pull, /,
    )
    const sources = globSync('src/{audit,http,registry,serve}/**/*.ts').map((file) =>
      readFileSync(file, 'utf8'),
    )
    const recorded = sources.flatMap((text) => [
      ...[...text.matchAll(/action: '([a-z-]+)'(?! \|)/g)].map(([, name]) => name),
      ...[...text.matchAll(/'((?:policy|robot)-[a-z]+)'/g)].map(([, name]) => name),
    ])
    assert.ok(recorded.length > 8)
    const unknown = recorded.filter((name = '') => !auditActions.includes(name) && !otherNames.includes(name))
    assert.deepEqual(unknown, [])
  })

  test('query finds by user, repository, decision, action, digest and time', async () => {
    assert.deepEqual(await found(), ['1', '2', '3', '4', '5'])
    assert.deepEqual(await found('--user', 'alice'), ['2', '5'])
    assert.deepEqual(await found('--user', 'system:serviceaccount:*'), ['1', '3'])
    assert.deepEqual(await found('--repository', 'team-a/app'), ['1', '2', '5'])
    assert.deepEqual(await found('--repository', 'team-*/**'), ['1', '2', '3', '5'])
    assert.deepEqual(await found('--repository', 'team-b/*'), [])
    assert.deepEqual(await found('--decision', 'deny'), ['2'])
    assert.deepEqual(await found('--action', 'pull'), ['5'])
    assert.deepEqual(await found('--digest', digest), ['3'])
    assert.deepEqual(await found('--since', '2026-11-24T07:01:30Z', '--until', '2026-11-24T07:03:00Z'), ['3', '4']) // prettier-ignore
    assert.deepEqual(await found('--limit', '2'), ['4', '5'])
    const lines = (await audit('query', '-o', 'jsonl', '--user', 'alice')).stdout.trimEnd().split('\n')
    assert.equal(lines.length, 2)
  })

  test('what is no time, no number or no folder is said so', async () => {
    for (const [args, code, exit] of [
      [['query', '--since', 'yesterday'], 'TIME_INVALID', 2],
      [['query', '--limit', '0'], 'CONFIG_INVALID', 2],
      [['query', '--folder', '/nowhere/at/all'], 'AUDIT_MISSING', 1],
    ] as const) {
      const result = await audit(...args)
      assert.equal(result.code, exit)
      assert.match(result.stderr, new RegExp(code))
    }
    const none = await audit('query', '--user', 'nobody')
    assert.deepEqual([none.stdout, none.stderr, none.code], ['', 'no event fits\n', 0])
  })

  test('a log that is kept elsewhere is found by the configuration of its server', async () => {
    const data = mkdtempSync(join(tmpdir(), 'trow-audit-data-'))
    const config = join(data, 'trow.yaml')
    writeFileSync(config, `data: ${data}\naudit-folder: ${fixture.auditFolder}\n`)
    const { stdout, stderr } = await runCommand(['audit', 'query', '-o', 'jsonl', '--config', config])
    assert.equal(stdout.trimEnd().split('\n').length, 6, stderr)
    rmSync(data, { recursive: true })
  })

  test('verify says what it compared, and shows the key', async () => {
    const { code, stdout } = await audit('verify')
    assert.equal(
      stdout,
      `changes: 5 lines (1 to 5) in 1 segment, head of line 5 signed at 2026-11-24T07:00:00.000Z: all is well
denials: no lines, no signed head to compare with: all is well
pulls: 1 line (1 to 1) in 1 segment, head of line 1 signed at 2026-11-24T07:00:00.000Z: all is well
`,
    )
    assert.equal(code, 0)
    const key = await audit('verify', '--show-key')
    assert.match(key.stdout, /^trow-audit\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+\n$/)
    const apart = await audit('verify', '--folder', fixture.auditFolder, '--log', 'pulls', '-o', 'json')
    const { found: none, logs, problems } = checkResult('AuditVerification', apart.stdout)
    assert.deepEqual([none, logs.length, logs[0]?.head, problems], [0, 1, undefined, []])
    const json = await audit('verify', '--show-key', '-o', 'json')
    assert.equal(`${checkResult('AuditKey', json.stdout).verifier}\n`, key.stdout)
  })

  test('a server that serves the folder answers the same', async () => {
    const alone = await audit('query')
    const server = await startedServer({ data: fixture.folder })
    try {
      assert.deepEqual(await audit('query'), alone)
      assert.deepEqual(await found('--user', 'alice', '--since', '2026-11-24T07:02:00Z'), ['5'])
      assert.equal((await audit('verify')).code, 0)
      assert.match((await audit('verify', '--show-key')).stdout, /^trow-audit/)
    } finally {
      await server.stop()
    }
  })

  test('follow prints what comes, until it is interrupted', async () => {
    const other = openFixture()
    const writer = await other.open()
    await other.metadata.outbox.record([encodeAuditRecord(auditRecordOf('before'))], 1)
    await eventually(async () => (await other.events()).length === 1, 'the first event')
    const following = startCommand(['audit', 'follow', '--data', other.folder, '--user', 'alice'])
    await eventually(() => following.listens, 'the start')
    await sleep(300)
    const alice = { ...actor, name: 'alice' }
    await other.metadata.outbox.record(
      [auditRecordOf('bob'), auditRecordOf('alice', { actor: alice })].map(encodeAuditRecord),
      1,
    )
    await eventually(() => following.stdout() !== '', 'a line')
    assert.equal(
      following.stdout(),
      '2026-11-24T07:00:00Z  allow   push      alice                   team-a/app:1.0\n',
    )
    assert.equal(await following.interrupt(), 130)
    await writer.close()
    await other.close()
  })

  test('verify names what was touched and exits with 79', async () => {
    const file = readdirSync(fixture.auditFolder).find((name) => name.startsWith('changes')) as string
    const path = join(fixture.auditFolder, file)
    const whole = readFileSync(path, 'utf8')
    const lines = whole.split('\n')
    const cases = [
      [
        whole.replace('no rule allows it', 'rule 1 allows it'),
        /^edited: changes line 3 in changes-0{11}1\.jsonl: /,
      ],
      [lines.filter((_, i) => i !== 1).join('\n'), /^removed: changes line 2: the line is missing/],
      [[lines[1], lines[0], ...lines.slice(2)].join('\n'), /^reordered: changes line 1 in changes-/],
      [
        `${lines.slice(0, 3).join('\n')}\n`,
        /^cut: changes lines 4 to 5: the head signed at .* counts 5 lines/,
      ],
    ] as const
    for (const [text, expected] of cases) {
      writeFileSync(path, text)
      const { code, stdout } = await audit('verify')
      assert.equal(code, 79)
      assert.match(stdout, expected)
      assert.match(stdout, /^changes: .*: 1 problem$/m)
      const printed = (await audit('verify', '-o', 'jsonl')).stdout.trimEnd().split('\n')
      assert.equal(checkLines('AuditProblem', printed[0] ?? '').length, 1)
      assert.equal(checkResult('AuditVerification', printed.at(-1) ?? '').found, 1)
    }
    writeFileSync(path, whole)
    assert.equal((await audit('verify')).code, 0)
  })
})
