import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { hashPassword } from '../../src/access/bcrypt.ts'
import { anonymous } from '../../src/access/principal.ts'
import { makeSigningKey } from '../../src/access/signing-keys.ts'
import { TokenSigner } from '../../src/access/token-format.ts'
import { Connection } from '../../src/metadata/postgres/connection.ts'
import { tokenNames } from '../../src/settings/access-settings.ts'
import { runTrow, type ServerProcess } from '../support/server-process.ts'
import { SharedRegistry, skipReplicas, type Place } from './shared-registry.ts'

type Login = readonly [name: string, password: string]

async function statusOf({ url }: ServerProcess, login: Login | string): Promise<number> {
  const authorization =
    typeof login === 'string' ? `Bearer ${login}` : `Basic ${Buffer.from(login.join(':')).toString('base64')}`
  const response = await fetch(`${url}/v2/`, { headers: { authorization } })
  await response.arrayBuffer()
  return response.status
}

async function tokenOf({ url }: ServerProcess, login: Login): Promise<string> {
  const authorization = `Basic ${Buffer.from(login.join(':')).toString('base64')}`
  const response = await fetch(`${url}/token?service=trow`, { headers: { authorization } })
  assert.equal(response.status, 200)
  return ((await response.json()) as { readonly token: string }).token
}

suite('access to a registry of two processes', { skip: skipReplicas }, () => {
  let registry: SharedRegistry
  let place: Place
  let both: readonly [ServerProcess, ServerProcess]
  before(async () => {
    registry = await SharedRegistry.start()
    place = await registry.place('access')
    const htpasswd = join(registry.root, 'htpasswd')
    writeFileSync(
      htpasswd,
      `alice:${await hashPassword('right', 4)}\nbob:${await hashPassword('other', 4)}\n`,
    )
    const [one, two] = await registry.replicas(place, ['one', 'two'], ['--htpasswd', htpasswd])
    assert.ok(one !== undefined && two !== undefined)
    both = [one, two]
  })
  after(() => registry.stop())

  const bob: Login = ['bob', 'other']
  const newRobot = async (name: string): Promise<Login> => {
    const args = ['--repository', '**', '--action', 'pull', '--data', registry.folder('one')]
    const { code, output } = await runTrow(['robot', 'create', name, ...args])
    assert.equal(code, 0, output)
    return [`robot+${name}`, /trow_[\w-]{43}/.exec(output)?.[0] ?? '']
  }

  test('tokens of each are taken by the other, also those of a key that somebody has stored just now', async () => {
    const [one, two] = both
    for (const [maker, taker] of [both, [two, one]] as const)
      assert.equal(await statusOf(taker, await tokenOf(maker, bob)), 200)
    const connection = await Connection.open({ connectionString: place.database })
    try {
      const { rows } = await connection.run('select id from signing_key')
      assert.equal(rows.length, 1, 'both have started with the same one')
      for (const each of both) {
        const made = makeSigningKey(Date.now())
        await connection.run('insert into signing_key (id, private_key, created_at) values ($1, $2, $3)', [
          made.id,
          made.privateKey,
          made.createdAt,
        ])
        const keys = { current: made, all: [made], until: Infinity }
        const signer = new TokenSigner(tokenNames, keys)
        const now = Date.now()
        const token = signer.sign('access', anonymous, { id: 'id', now, expiresAt: now + 60_000 })
        assert.equal(await statusOf(each, token), 200)
      }
    } finally {
      connection.close()
    }
  })

  test('failed logins count together, of users and of robots', async () => {
    for (const name of ['alice', 'robot+nobody']) {
      const statuses: number[] = []
      for (let n = 0; n < 6; n++)
        statuses.push(await statusOf(both[n % 2 === 0 ? 0 : 1], [name, `guess${n}`]))
      assert.deepEqual(statuses, [401, 401, 401, 401, 429, 429], name)
    }
    for (const each of both) assert.equal(await statusOf(each, bob), 200, 'somebody else')
  })

  test('a revoked robot is refused by both within ten seconds', async () => {
    const robot = await newRobot('ci')
    for (const each of both) assert.equal(await statusOf(each, robot), 200)
    const { code, output } = await runTrow(['robot', 'revoke', 'ci', '--data', registry.folder('two')])
    assert.equal(code, 0, output)
    const end = performance.now() + 10_000
    for (const each of both)
      while ((await statusOf(each, robot)) === 200) {
        assert.ok(performance.now() < end, 'it is still let in')
        await sleep(100)
      }
    for (const each of both) assert.equal(await statusOf(each, robot), 401)
  })
})
