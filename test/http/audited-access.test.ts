import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LogName } from '../../src/audit/chain.ts'
import { runTrow, startedServer } from '../support/server-process.ts'
import { passwords, startGated, type GatedServer } from '../support/gated-server.ts'
import { seed, sha256 } from '../support/access-matrix.ts'
import { basic, exchange, getToken, waysOfPassword } from '../support/ways.ts'

interface Event {
  readonly type: string
  readonly data: {
    readonly actor: { readonly user: string; readonly auth: string }
    readonly repository?: string
    readonly reference?: string
    readonly digest?: string
    readonly reason: string
    readonly count?: number
  }
}

function eventsIn(data: string, log: LogName): Event[] {
  const folder = join(data, 'audit')
  return readdirSync(folder)
    .filter((name) => name.startsWith(log) && name.endsWith('.jsonl'))
    .sort()
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { event: Event }).event)
}

async function eventually<Value>(look: () => Value | undefined): Promise<Value> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const found = look()
    if (found !== undefined) return found
    await sleep(50)
  }
  throw new Error('it never came')
}

suite('who did what', () => {
  let gated: GatedServer
  before(async () => {
    gated = await startGated()
  })
  after(() => gated.close())

  test('a push, a pull, a deletion and a refusal leave a line each', async () => {
    const { url, data } = gated
    const [admin] = waysOfPassword(url, 'admin', passwords.admin)
    const [pusher] = waysOfPassword(url, 'pusher', passwords.pusher)
    assert.ok(admin && pusher)
    const content = await seed(admin, 'team/audited')
    const path = `/v2/team/audited/manifests/${content.manifest}`
    assert.equal((await pusher.send({ method: 'GET', path })).status, 200)
    assert.equal((await pusher.send({ method: 'DELETE', path })).status, 403)
    assert.equal((await admin.send({ method: 'DELETE', path })).status, 202)
    const find = (log: LogName, type: string, user: string): Promise<Event> =>
      eventually(() =>
        eventsIn(data, log).find(
          (event) =>
            event.type === `io.trow.${type}.v1` &&
            event.data.actor.user === user &&
            event.data.repository === 'team/audited' &&
            (event.data.digest ?? event.data.reference) === content.manifest,
        ),
      )
    assert.equal((await find('changes', 'push.allowed', 'admin')).data.actor.auth, 'password')
    assert.match((await find('pulls', 'pull.allowed', 'pusher')).data.reason, /rule/)
    assert.match((await find('denials', 'delete.denied', 'pusher')).data.reason, /rule/)
    await find('changes', 'delete.allowed', 'admin')
  })

  test('a request without credentials is challenged, which is no denial; wrong ones are', async () => {
    const { url, data } = gated
    const before = eventsIn(data, 'denials').length
    const path = '/v2/team/challenged/tags/list'
    assert.equal((await exchange(url, { method: 'GET', path })).status, 401)
    await sleep(400)
    assert.equal(eventsIn(data, 'denials').length, before)
    const headers = { authorization: basic('mallory', 'guess') }
    assert.equal((await exchange(url, { method: 'GET', path, headers })).status, 401)
    const denied = await eventually(() =>
      eventsIn(data, 'denials').find(
        ({ type, data: { repository } }) =>
          type === 'io.trow.auth.denied.v1' && repository === 'team/challenged',
      ),
    )
    assert.equal(denied.data.actor.user, 'mallory (not verified)')
  })

  test('equal pulls of one caller are one line with their count', async () => {
    const { url, data } = gated
    const [admin] = waysOfPassword(url, 'admin', passwords.admin)
    assert.ok(admin)
    await seed(admin, 'team/often')
    const path = '/v2/team/often/tags/list'
    for (let count = 0; count < 200; count++)
      assert.equal((await admin.send({ method: 'GET', path })).status, 200)
    await sleep(1500)
    const lines = eventsIn(data, 'pulls').filter(({ data: { repository } }) => repository === 'team/often')
    assert.ok(lines.length >= 1 && lines.length <= 5, `${lines.length} lines for 200 pulls`)
  })

  test('no credential is written down anywhere', async () => {
    const { url, data, server } = gated
    const canary = 'canary-secret-6f1d'
    await exchange(url, { method: 'GET', path: '/v2/', headers: { authorization: basic('admin', canary) } })
    await exchange(url, { method: 'GET', path: '/v2/', headers: { authorization: `Bearer ${canary}` } })
    await exchange(url, { method: 'GET', path: '/v2/', headers: { authorization: canary } })
    await exchange(url, {
      method: 'GET',
      path: `/v2/_catalog?token=${canary}`,
      headers: { authorization: basic('admin', passwords.admin) },
    })
    await exchange(url, {
      method: 'POST',
      path: '/token',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: `grant_type=password&service=trow&username=admin&password=${canary}`,
    })
    const scope = '&scope=repository:team/app:pull'
    const { token } = await getToken(url, scope, basic('pusher', passwords.pusher))
    for (const path of ['/v2/', '/v2/team/app/tags/list', '/v2/team/other/tags/list'])
      await exchange(url, { method: 'GET', path, headers: { authorization: `Bearer ${token}` } })
    await sleep(1500)
    const secrets = [canary, token, ...Object.values(passwords)]
    const files = readdirSync(data, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.startsWith('lock.db'))
      .map((entry) => readFileSync(join(entry.parentPath, entry.name)).toString('latin1'))
    for (const text of [...files, server.output()])
      for (const secret of secrets) assert.ok(!text.includes(secret), 'a credential was written down')
  })
})

test(
  'after a SIGKILL under load no answered change and no answered denial is missing',
  { timeout: 120_000 },
  async () => {
    const gated = await startGated()
    let { server } = gated
    const changed = new Set<string>()
    const denied = new Set<string>()
    try {
      for (let round = 0; round < 5; round++) {
        let stop = false
        const url = server.url
        const load = async (worker: number): Promise<void> => {
          for (let index = 0; !stop; index++) {
            const name = `team/k-${round}-${worker}-${index}`
            const digest = sha256(name)
            const push = {
              method: 'POST',
              path: `/v2/${name}/blobs/uploads/?digest=${digest}`,
              headers: { authorization: basic('pusher', passwords.pusher) },
              body: name,
            }
            const refused = {
              method: 'DELETE',
              path: `/v2/${name}/manifests/x`,
              headers: { authorization: basic('puller', passwords.puller) },
            }
            try {
              if ((await exchange(url, push)).status === 201) changed.add(name)
              if ((await exchange(url, refused)).status === 403) denied.add(name)
            } catch {
              return
            }
          }
        }
        const running = Array.from({ length: 8 }, (_, worker) => load(worker))
        await sleep(300 + round * 170)
        await server.kill()
        stop = true
        await Promise.all(running)
        server = await startedServer({
          data: gated.data,
          args: ['--config', join(gated.folder, 'trow.yaml')],
        })
      }
      await sleep(1000)
      await server.stop()
      const events = [...eventsIn(gated.data, 'changes'), ...eventsIn(gated.data, 'denials')]
      const of = (type: string): string[] =>
        events.filter((event) => event.type === type).map(({ data }) => data.repository ?? '')
      const pushes = of('io.trow.push.allowed.v1')
      const refusals = new Set(of('io.trow.delete.denied.v1'))
      // Above a certain rate, denials of one address are merged into one record.
      const merged = of('io.trow.several.denied.v1').length > 0
      assert.ok(changed.size > 50 && denied.size > 50, `${changed.size} changes, ${denied.size} denials`)
      assert.deepEqual(
        [...changed].filter((name) => !pushes.includes(name)),
        [],
      )
      assert.ok(merged || [...denied].every((name) => refusals.has(name)))
      assert.ok(refusals.size >= 30, `${refusals.size} denials have a line of their own`)
      assert.equal(new Set(pushes).size, pushes.length, 'no change is there twice')
    } finally {
      await server.stop()
      await gated.close()
    }
  },
)

test('making and revoking a robot leaves a line each', async () => {
  const gated = await startGated()
  try {
    const { data } = gated
    const args = ['--repository', 'team/**', '--action', 'pull']
    assert.equal((await runTrow(['robot', 'create', 'noted', '--data', data, ...args])).code, 0)
    assert.equal((await runTrow(['robot', 'revoke', 'noted', '--data', data])).code, 0)
    const types = await eventually(() => {
      const found = eventsIn(data, 'changes').filter((event) => event.data.reference === 'noted')
      return found.length === 2 ? found.map(({ type }) => type) : undefined
    })
    assert.deepEqual(types, ['io.trow.robot-create.allowed.v1', 'io.trow.robot-revoke.allowed.v1'])
  } finally {
    await gated.close()
  }
})
