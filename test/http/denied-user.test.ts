import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { startGated, type GatedServer } from '../support/gated-server.ts'
import { runCommand } from '../support/run-trow.ts'
import { basic } from '../support/ways.ts'

suite('a request that is denied', () => {
  let gated: GatedServer
  before(async () => {
    gated = await startGated({}, ['--access-log', 'on'])
  })
  after(() => gated.close())

  /** The users of the lines about `path`, in the order of their statuses. */
  const users = (path: string): readonly (string | undefined)[] =>
    gated.server
      .output()
      .split('\n')
      .filter((line) => line.includes(` ${path} in=`))
      .map((line) => /^\S+ (\d+) .*ms (\S+) /.exec(line)?.slice(1, 3).join(' '))
      .toSorted((one = '', other = '') => one.localeCompare(other))

  test('has its user in the access log; one that is only challenged has none', async () => {
    const path = '/v2/secret/app/manifests/1'
    const denied = await fetch(`${gated.url}${path}`, {
      headers: { authorization: basic('puller', 'puller-pw') },
    })
    assert.equal(denied.status, 403)
    assert.equal(
      (await denied.text()).split('puller has no right to').length,
      2,
      'clients show message and detail',
    )
    assert.equal((await fetch(`${gated.url}${path}`)).status, 401)
    assert.equal(
      (await fetch(`${gated.url}${path}`, { headers: { authorization: basic('puller', 'wrong') } })).status,
      401,
    )
    for (let tries = 0; users(path).length < 3 && tries < 100; tries++)
      await new Promise((resolve) => setTimeout(resolve, 50))
    assert.deepEqual(users(path), ['401 -', '401 -', '403 puller'])
  })

  test('is told its reason once', async () => {
    const { code, stderr } = await runCommand(
      [
        'list',
        `${new URL(gated.url).host}/secret/app`,
        '--plain-http',
        '--username',
        'puller',
        '--password-stdin',
      ],
      { input: 'puller-pw' },
    )
    assert.equal(code, 77)
    assert.equal(stderr.split('puller has no right to').length, 2, stderr)
    assert.match(stderr, /: puller has no right to pull secret\/app \(no rule of the registry gives it\)/)
    assert.doesNotMatch(stderr, /cluster/)
  })
})
