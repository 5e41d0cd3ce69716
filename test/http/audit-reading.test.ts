import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkResult } from '../support/check-result.ts'
import { runCommand, startCommand } from '../support/run-trow.ts'
import { startedServer } from '../support/server-process.ts'
import { passwords, startGated, type GatedServer } from '../support/gated-server.ts'
import { seed } from '../support/access-matrix.ts'
import { basic, exchange, waysOfPassword } from '../support/ways.ts'

async function eventually(look: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt++) {
    if (await look()) return
    await sleep(50)
  }
  throw new Error(`it never came: ${what}`)
}

suite('the audit through the registry', () => {
  let gated: GatedServer
  before(async () => {
    gated = await startGated({ 'audit-readers': ['admin'] })
    const [admin] = waysOfPassword(gated.url, 'admin', passwords.admin)
    assert.ok(admin)
    await seed(admin, 'team/read')
  })
  after(() => gated.close())

  const audit = (user: keyof typeof passwords, ...args: string[]): ReturnType<typeof runCommand> =>
    runCommand(['audit', ...args, '--registry', gated.url, '--username', user, '--password-stdin'], {
      input: passwords[user],
    })

  test('who is named reads the same events as the folder has, filtered there', async () => {
    const args = ['query', '--repository', 'team/read', '--action', 'push', '-o', 'json']
    const remote = await audit('admin', ...args)
    assert.equal(remote.code, 0, remote.stderr)
    const local = await runCommand(['audit', ...args, '--data', gated.data])
    assert.equal(remote.stdout, local.stdout)
    assert.ok(checkResult('AuditEventList', remote.stdout).items.length > 0)
    const wide = await audit('admin', 'query', '--action', 'push', '-o', 'wide', '--limit', '1')
    assert.match(
      wide.stdout,
      /^TIME +RESULT +ACTION +USER +FROM +WHAT +WHY\n.* admin +127\.0\.0\.1 .*rule 3 allows/,
    )
    const verified = await audit('admin', 'verify')
    assert.equal(verified.code, 0, verified.stdout)
    assert.match(verified.stdout, /^changes: .*all is well/m)
    assert.match((await audit('admin', 'verify', '--show-key')).stdout, /^trow-audit\+/)
  })

  test('who is not gets exit code 77, and that leaves a line; so does whoever reads', async () => {
    const { code, stdout, stderr } = await audit('pusher', 'query')
    assert.deepEqual([code, stdout], [77, ''])
    assert.match(stderr, /pusher has no right to read the audit.*\(REGISTRY_DENIED\)\n.*audit-readers/)
    assert.equal((await audit('pusher', 'follow')).code, 77)
    await eventually(async () => {
      const read = await audit('admin', 'query', '--action', 'audit', '-o', 'json')
      const found = checkResult('AuditEventList', read.stdout).items.map(({ type }) => type)
      return found.includes('io.trow.audit.denied.v1') && found.includes('io.trow.audit.allowed.v1')
    }, 'a line of each')
    const nobody = await exchange(gated.url, { method: 'GET', path: '/trow/v1/audit/query' })
    assert.equal(nobody.status, 401)
    assert.match(nobody.headers['www-authenticate'] ?? '', /^Bearer realm=/)
  })

  test('what cannot be asked is refused in words', async () => {
    const headers = { authorization: basic('admin', passwords.admin) }
    for (const [path, words] of [
      ['query?limit=0', /limit is a whole number/],
      ['query?since=yesterday', /since is a number/],
      [`query?user=${'x'.repeat(600)}`, /user has more than 512/],
      ['verify?log=other', /log is changes or denials or pulls/],
      ['follow?after-changes=3', /after-changes, after-denials, after-pulls are/],
    ] as const) {
      const { status, body } = await exchange(gated.url, {
        method: 'GET',
        path: `/trow/v1/audit/${path}`,
        headers,
      })
      assert.equal(status, 400, path)
      assert.match(body, words)
    }
    const both = await audit('admin', 'query', '--data', gated.data)
    assert.deepEqual([both.code, both.stdout], [2, ''])
  })

  test('a registry that asks nobody who they are shows nobody its audit', async () => {
    const data = mkdtempSync(join(tmpdir(), 'trow-open-audit-'))
    const server = await startedServer({ data, args: ['--audit', 'on'] })
    try {
      const { code, stderr } = await runCommand(['audit', 'query', '--registry', server.url])
      assert.equal(code, 77)
      assert.match(stderr, /asks nobody who they are/)
    } finally {
      await server.stop()
      rmSync(data, { recursive: true, force: true })
    }
    const none = await startGated({ audit: 'off', 'audit-readers': ['admin'] })
    try {
      const args = ['audit', 'query', '--registry', none.url, '--username', 'admin', '--password-stdin']
      const { code, stderr } = await runCommand(args, { input: passwords.admin })
      assert.equal(code, 1)
      assert.match(stderr, /AUDIT_MISSING/)
    } finally {
      await none.close()
    }
  })

  test('follow goes on after a restart without losing or repeating a line, and does not delay the stop', async () => {
    const config = join(gated.folder, 'trow.yaml')
    const data = join(gated.folder, 'followed')
    const args = ['--config', config, '--htpasswd', gated.htpasswd]
    let server = await startedServer({ data, args })
    const port = Number(new URL(server.url).port)
    const following = startCommand(
      [
        'audit', 'follow', '--user', 'pusher', '--action', 'delete', '-o', 'jsonl',
        '--registry', server.url, '--username', 'admin', '--password-stdin',
      ], // prettier-ignore
      { input: passwords.admin },
    )
    const deny = async (repository: string): Promise<void> => {
      const path = `/v2/team/${repository}/manifests/1`
      const headers = { authorization: basic('pusher', passwords.pusher) }
      assert.equal((await exchange(server.url, { method: 'DELETE', path, headers })).status, 403)
    }
    const subjects = (): string[] =>
      following
        .stdout()
        .trimEnd()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => (JSON.parse(line) as { data: { repository: string } }).data.repository)
    // The program follows as soon as an event that is newer than its start arrives.
    let tries = 0
    await eventually(async () => {
      await deny(`first-${tries++}`)
      return subjects().length > 0
    }, 'the start')
    const begin = performance.now()
    await server.stop()
    assert.ok(performance.now() - begin < 30_000, 'a follower held up the stop for a minute')
    await eventually(() => following.stderr().includes('asking again'), 'the notice of the loss')
    server = await startedServer({ data, args, port })
    await deny('second')
    await eventually(() => subjects().includes('team/second'), 'the line after the restart')
    assert.match(following.stderr(), /answers again; nothing was left out/)
    assert.equal(new Set(subjects()).size, subjects().length, 'a line came twice')
    assert.ok(subjects().includes(`team/first-${tries - 1}`))
    assert.equal(await following.interrupt(), 130)
    await server.stop()
  })
})
