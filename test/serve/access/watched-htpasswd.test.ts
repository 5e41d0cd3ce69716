import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { hashPassword } from '../../../src/access/bcrypt.ts'
import type { Users } from '../../../src/access/htpasswd.ts'
import { watchedHtpasswd } from '../../../src/serve/access/watched-htpasswd.ts'

const hashed = await hashPassword('secret', 4)

suite('a watched htpasswd file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'trow-htpasswd-'))
  after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'htpasswd')
  const lines: string[] = []
  const say = (message: string, fields?: object): void =>
    void lines.push(`${message} ${JSON.stringify(fields)}`)
  const log = { debug: say, info: say, warn: say, error: say }
  const until = async (condition: () => boolean): Promise<void> => {
    for (let n = 0; n < 500 && !condition(); n++) await new Promise((resolve) => setTimeout(resolve, 10))
    assert.ok(condition())
  }

  test('a new file is used, a bad one is logged once and the old stays, an exchanged link is seen', async () => {
    writeFileSync(join(folder, 'v1'), `alice:${hashed}\n`)
    symlinkSync('v1', path)
    const watched = watchedHtpasswd(path, log, 10)
    const seen: Users[] = []
    watched.onChange((users) => void seen.push(users))
    assert.deepEqual([...watched.current.keys()], ['alice'])

    writeFileSync(join(folder, 'v1'), `alice:plain\n`)
    await until(() => lines.some((line) => line.includes('old one stays')))
    await new Promise((resolve) => setTimeout(resolve, 60))
    assert.equal(lines.filter((line) => line.includes('old one stays')).length, 1)
    assert.ok(!lines.join().includes('plain"'))
    assert.deepEqual([...watched.current.keys()], ['alice'])

    writeFileSync(join(folder, 'v2'), `alice:${hashed}\nbob:${hashed}\n`)
    symlinkSync('v2', join(folder, 'next'))
    renameSync(join(folder, 'next'), path)
    await until(() => seen.length === 1)
    assert.deepEqual([...watched.current.keys()], ['alice', 'bob'])

    rmSync(path)
    await until(() => lines.some((line) => line.includes('cannot be read')))
    assert.equal(watched.current.size, 2)
    watched.close()
  })

  test('a file that is not there, or is none, is refused at the start', () => {
    assert.throws(() => watchedHtpasswd(join(folder, 'nowhere'), log), { code: 'HTPASSWD_UNREADABLE' })
    writeFileSync(path, 'alice:{SHA}x\n')
    assert.throws(() => watchedHtpasswd(path, log), { code: 'HTPASSWD_INVALID' })
  })
})
