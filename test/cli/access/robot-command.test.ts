import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { FailureDelays } from '../../../src/access/failures.ts'
import { Robots } from '../../../src/access/robots.ts'
import { openLocalMetadata } from '../../../src/metadata/sqlite/sqlite-metadata-store.ts'
import { checkLines, checkResult } from '../../support/check-result.ts'
import { runCommand } from '../../support/run-trow.ts'
import { startedServer, type ServerProcess } from '../../support/server-process.ts'

suite('trow robot', () => {
  const folder = mkdtempSync(join(tmpdir(), 'trow-robots-'))
  let server: ServerProcess | undefined
  before(async () => {
    server = await startedServer({ data: folder })
  })
  after(async () => {
    await server?.stop()
    rmSync(folder, { recursive: true })
  })
  const robot = (...args: string[]) => runCommand(['robot', ...args, '--data', folder])
  const scope = ['--repository', 'team/**', '--action', 'pull,push']

  const make = async (name: string, ...args: string[]) => {
    const { code, stdout, stderr } = await robot('create', name, ...scope, ...args, '-o', 'json')
    assert.equal(code, 0, stderr)
    return checkResult('RobotCreation', stdout)
  }
  const names = async (): Promise<string[]> => {
    const { stdout } = await robot('list', '-o', 'json')
    assert.ok(!stdout.includes('secretHash'))
    return checkResult('RobotList', stdout).items.map(({ name }) => name)
  }
  const round = async (): Promise<void> => {
    const made = await make('ci', '--description', 'builds')
    assert.equal(made.username, 'robot+ci')
    assert.match(made.password, /^trow_[\w-]{43}$/)
    assert.ok(Math.abs(Date.parse(made.expiresAt ?? '') - Date.now() - 90 * 24 * 3_600_000) < 60_000)
    assert.deepEqual(await names(), ['ci'])
    const table = (await robot('list')).stdout
    assert.match(table, /^ci +team\/\*\* +pull,push +\d{4}-\d\d-\d\d +builds$/m)
    assert.ok(!table.includes('trow_'))
    const again = await robot('create', 'ci', ...scope)
    assert.match(again.stderr, /ROBOT_EXISTS/)
    assert.equal((await robot('list', '-o', 'name')).stdout, 'robot+ci\n')
    assert.equal(checkLines('Robot', (await robot('list', '-o', 'jsonl')).stdout)[0]?.name, 'ci')
    assert.match((await robot('revoke', 'robot+ci')).stdout, /revoked robot\+ci/)
    await make('gone')
    const revoked = await robot('revoke', 'gone', '-o', 'json')
    assert.equal(checkResult('RobotRevocation', revoked.stdout).username, 'robot+gone')
    assert.match((await robot('revoke', 'ci')).stderr, /ROBOT_UNKNOWN/)
    assert.deepEqual(await names(), [])
  }

  test('create, list and revoke through the server of the folder', round)

  test('the same on a folder that nobody serves; the secret shown is the one that counts', async () => {
    await server?.stop()
    server = undefined
    await round()
    const { password } = await make('ci', '--expires', 'never')
    const store = openLocalMetadata({ folder })
    const now = Date.now
    const robots = new Robots({ store: store.access, delays: new FailureDelays({ now }), now })
    const answer = await robots.verify('robot+ci', password, '10.0.0.1')
    assert.ok(answer.ok)
    assert.deepEqual(answer.principal.scope, [{ repositories: ['team/**'], actions: ['pull', 'push'] }])
    assert.equal(answer.principal.expiresAt, undefined)
    await store.close()
  })

  test('what cannot be is refused in words', async () => {
    const rows: [string[], RegExp][] = [
      [['create', 'CI', ...scope], /lowercase.*ROBOT_INVALID/],
      [['create', 'a', '--repository', 'Team/*', '--action', 'pull'], /matches nothing.*ROBOT_INVALID/],
      [['create', 'a', '--repository', 'team', '--action', 'write'], /no action "write".*ROBOT_INVALID/],
      [['create', 'a', ...scope, '--expires', 'soon'], /no duration.*ROBOT_INVALID/],
      [['create', 'a', '--action', 'pull'], /--repository/],
    ]
    for (const [args, expected] of rows) {
      const { code, stderr } = await robot(...args)
      assert.equal(code, 2)
      assert.match(stderr, expected)
    }
  })
})
