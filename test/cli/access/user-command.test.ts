import assert from 'node:assert/strict'
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { after, suite, test } from 'node:test'
import { bcrypt, hashPassword } from '../../../src/access/bcrypt.ts'
import { newPassword } from '../../../src/cli/access/password-input.ts'
import { readHtpasswd } from '../../../src/serve/access/watched-htpasswd.ts'
import { terminalOf } from '../../../src/cli/streams.ts'
import { checkLines, checkResult } from '../../support/check-result.ts'
import { runCommand } from '../../support/run-trow.ts'

suite('trow user', () => {
  const folder = mkdtempSync(join(tmpdir(), 'trow-users-'))
  after(() => rmSync(folder, { recursive: true }))
  let count = 0
  const newFile = (): string => join(folder, `htpasswd-${count++}`)
  const user = (args: string[], input = '') => runCommand(['user', ...args], { input })
  const isRight = async (path: string, name: string, password: string): Promise<boolean> =>
    bcrypt.verify(password, readHtpasswd(path).get(name) ?? '')

  test('add, passwd, list and rm do what they say, on a file of its owner alone', async () => {
    const path = newFile()
    const added = await user(['add', 'alice', '--htpasswd', path, '--cost', '8'], 'one two\n')
    assert.equal(added.code, 0, added.stderr)
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.ok(await isRight(path, 'alice', 'one two'))
    assert.equal((await user(['add', 'bob', '--htpasswd', path, '--cost', '8'], 'pw')).code, 0)
    assert.equal((await user(['passwd', 'alice', '--htpasswd', path, '--cost', '8'], 'other')).code, 0)
    assert.ok(await isRight(path, 'alice', 'other'))
    const listed = await user(['list', '--htpasswd', path, '-o', 'json'])
    assert.deepEqual(checkResult('UserList', listed.stdout).items, [
      { name: 'alice', cost: 8 },
      { name: 'bob', cost: 8 },
    ])
    assert.match((await user(['list', '--htpasswd', path])).stdout, /^NAME +COST\nalice +8\nbob +8\n$/)
    assert.equal((await user(['list', '--htpasswd', path, '-o', 'name'])).stdout, 'alice\nbob\n')
    const lines = await user(['list', '--htpasswd', path, '-o', 'jsonl'])
    assert.equal(checkLines('User', lines.stdout).length, 2)
    const removed = await user(['rm', 'alice', '--htpasswd', path, '-o', 'yaml'])
    assert.equal(checkResult('UserChange', removed.stdout).change, 'removed')
    assert.deepEqual([...readHtpasswd(path).keys()], ['bob'])
    for (const { stdout, stderr } of [added, listed]) assert.ok(!`${stdout}${stderr}`.includes('one two'))
  })

  test('comments and other lines stay as they are, a link stays a link, and nothing else is left', async () => {
    const hashed = await hashPassword('x', 4)
    const [path, real] = [newFile(), newFile()]
    const before = `# people\nalice:${hashed}\n\n#bob:off\nbob:${hashed}\n# end\n`
    writeFileSync(real, before)
    chmodSync(real, 0o640)
    symlinkSync(real, path)
    const { code } = await user(['passwd', 'bob', '--htpasswd', path, '--cost', '8'], 'new')
    assert.equal(code, 0)
    assert.ok(lstatSync(path).isSymbolicLink())
    const fresh = readHtpasswd(path).get('bob') ?? ''
    assert.equal(readFileSync(real, 'utf8'), before.replace(`\nbob:${hashed}`, `\nbob:${fresh}`))
    assert.equal((await user(['rm', 'alice', '--htpasswd', path])).code, 0)
    assert.equal(readFileSync(real, 'utf8'), `# people\n\n#bob:off\nbob:${fresh}\n# end\n`)
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.endsWith('.tmp')),
      [],
    )
  })

  test('what cannot be is refused in words, and the file stays', async () => {
    const path = newFile()
    await user(['add', 'alice', '--htpasswd', path, '--cost', '8'], 'pw')
    const before = readFileSync(path, 'utf8')
    const rows: [string[], string, string, number][] = [
      [['add', 'alice', '--htpasswd', path], 'pw', 'USER_EXISTS', 1],
      [['add', 'system:node:n1', '--htpasswd', path], 'pw', 'USER_NAME_INVALID', 2],
      [['add', 'robot+ci', '--htpasswd', path], 'pw', 'USER_NAME_INVALID', 2],
      [['add', 'users', '--htpasswd', path], 'pw', 'USER_NAME_INVALID', 2],
      [['add', 'bob', '--htpasswd', path], '', 'PASSWORD_UNFIT', 2],
      [['add', 'bob', '--htpasswd', path], 'a\nb\n', 'PASSWORD_UNFIT', 2],
      [['add', 'bob', '--htpasswd', path], 'ä'.repeat(37), 'PASSWORD_UNFIT', 2],
      [['add', 'bob', '--htpasswd', path, '--cost', '20'], 'pw', 'CONFIG_INVALID', 2],
      [['passwd', 'bob', '--htpasswd', path], 'pw', 'USER_UNKNOWN', 1],
      [['rm', 'bob', '--htpasswd', path], '', 'USER_UNKNOWN', 1],
      [['list', '--htpasswd', join(folder, 'nowhere')], '', 'HTPASSWD_UNREADABLE', 1],
      [
        ['add', 'bob', '--htpasswd', join(folder, 'no', 'where'), '--cost', '8'],
        'pw',
        'HTPASSWD_UNWRITABLE',
        1,
      ],
      [['list'], '', 'HTPASSWD_MISSING', 2],
    ]
    for (const [args, input, expected, code] of rows) {
      const result = await user(args, input)
      assert.ok(result.stderr.includes(`(${expected})`), `${args.join(' ')}: ${result.stderr}`)
      assert.equal(result.code, code)
    }
    assert.equal(readFileSync(path, 'utf8'), before)
    writeFileSync(path, 'alice:plain\n')
    assert.match((await user(['add', 'bob', '--htpasswd', path], 'pw')).stderr, /HTPASSWD_INVALID/)
    assert.equal(readFileSync(path, 'utf8'), 'alice:plain\n')
  })

  test('at a terminal the password is asked for twice and never shown', async () => {
    const type = async (first: string, second: string): Promise<{ password: string; shown: string }> => {
      const stdin = Object.assign(new PassThrough(), { isTTY: true })
      const stderr = new PassThrough()
      let shown = ''
      stderr.on('data', (chunk: Buffer) => {
        shown += chunk.toString()
        if (shown.endsWith('alice: ')) setImmediate(() => stdin.write(`${first}\r`))
        if (shown.endsWith('again: ')) setImmediate(() => stdin.write(`${second}\r`))
      })
      const terminal = terminalOf({
        stdin,
        stdout: stderr,
        stderr,
        env: {},
        cwd: '/',
        onStop: () => () => {},
      })
      return { password: await newPassword(terminal, 'alice'), shown }
    }
    const { password, shown } = await type('s3cret', 's3cret')
    assert.equal(password, 's3cret')
    assert.ok(!shown.includes('s3cret'))
    await assert.rejects(type('s3cret', 'other'), { code: 'PASSWORD_UNFIT' })
  })
})
