import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { hash } from '@node-rs/bcrypt'
import { passwords, roleRules, startGated, type GatedServer } from '../support/gated-server.ts'
import { seed } from '../support/access-matrix.ts'
import { basic, exchange, wayWith } from '../support/ways.ts'
import { head, SlowSocket } from './slow-sockets.ts'

const mebibyte = 1024 * 1024
const form = { 'Content-Type': 'application/x-www-form-urlencoded' }
const manifestType = 'application/vnd.oci.image.manifest.v1+json'
const path = (name: string): string => `/v2/team/${name}/manifests/latest`

suite('whoever is slow holds up nobody', { timeout: 120_000 }, () => {
  const others = Array.from({ length: 16 }, (_, index) => `pusher-${index}`)
  let gated: GatedServer
  let sockets: SlowSocket[] = []
  /** Sends a byte, and no more until the suite ends. */
  let patient: SlowSocket

  before(async () => {
    const rules = [...roleRules, { who: others, repositories: ['team/**'], actions: ['pull', 'push'] }]
    gated = await startGated({ access: rules }, ['--workers', '2'])
    const line = await hash('other-pw', 4)
    appendFileSync(gated.htpasswd, others.map((name) => `${name}:${line}\n`).join(''))
    await seed(admin(), 'team/app')
    for (let attempt = 0; attempt < 100 && (await ask(others[0] ?? '')) !== 200; attempt++) await sleep(100)
    patient = await SlowSocket.open(gated.url, '127.0.0.9')
    await patient.send(`${head('POST', '/token', 64 * 1024, form)}a`)
  })
  after(() => gated.close())

  function admin(): ReturnType<typeof wayWith> {
    return wayWith('basic', gated.url, () => ({ authorization: basic('admin', passwords.admin) }))
  }

  async function ask(name: string): Promise<number> {
    const headers = { authorization: basic(name, 'other-pw') }
    return (await exchange(gated.url, { method: 'GET', path: '/v2/', headers })).status
  }

  /** Several pushes, so that every worker has one; none may wait for a slow body to end. */
  async function othersPush(round: string): Promise<void> {
    for (let count = 0; count < 6; count++) {
      const since = performance.now()
      await seed(admin(), `team/${round}-${count}`)
      assert.ok(performance.now() - since < 5000, 'a push has waited for slow bodies')
    }
  }

  async function attack(
    count: number,
    begin: (socket: SlowSocket, index: number) => Promise<void>,
    address: (index: number) => string = () => '127.0.0.1',
  ): Promise<void> {
    sockets = []
    for (let first = 0; first < count; first += 100) {
      const some = Array.from({ length: Math.min(100, count - first) }, async (_, index) => {
        const socket = await SlowSocket.open(gated.url, address(first + index))
        sockets.push(socket)
        await begin(socket, first + index)
      })
      await Promise.all(some)
    }
    await sleep(200)
  }

  function endAttack(): Promise<void> {
    for (const socket of sockets) socket.close()
    return sleep(100)
  }

  test('1,100 sockets that send a byte of a form each', async () => {
    await attack(1100, async (socket) => {
      await socket.send(`${head('POST', '/token', 64 * 1024, form)}a`)
    })
    await othersPush('forms')
    const body = `grant_type=password&service=trow&username=admin&password=${passwords.admin}`
    for (let count = 0; count < 8; count++) {
      const asked = await exchange(gated.url, { method: 'POST', path: '/token', headers: form, body })
      assert.equal(asked.status, 200, 'a form from the same address')
    }
    await endAttack()
  })

  test('forms that have nearly come, from more addresses than there is room for', async () => {
    const almost = `${head('POST', '/token', 60 * 1024, form)}${'a'.repeat(60 * 1024 - 1)}`
    await attack(
      160,
      (socket) => socket.send(almost),
      (index) => `127.0.1.${1 + (index % 20)}`,
    )
    const body = `grant_type=password&service=trow&username=admin&password=${passwords.admin}`
    for (let count = 0; count < 8; count++)
      assert.equal(
        (await exchange(gated.url, { method: 'POST', path: '/token', headers: form, body })).status,
        200,
      )
    await othersPush('large-forms')
    assert.ok(sockets.some(({ statuses }) => statuses.some((status) => status === 408 || status === 429)))
    await endAttack()
  })

  test('16 sockets of one pusher that announce 4 MiB: the pusher waits, and gets in when the slowest ends', async () => {
    const headers = { authorization: basic('pusher', passwords.pusher), 'Content-Type': manifestType }
    await attack(16, (socket) => socket.send(`${head('PUT', path('slow'), 4 * mebibyte, headers)}{`))
    await othersPush('announced')
    const pusher = wayWith('basic', gated.url, () => ({
      authorization: basic('pusher', passwords.pusher),
    }))
    await seed(pusher, 'team/of-the-same-pusher')
    assert.ok(sockets.some(({ statuses }) => statuses.includes(408)))
    await endAttack()
  })

  test('16 pushers that have sent nearly all of 64 MiB and stop: the slowest is ended', async () => {
    const almost = Buffer.alloc(4 * mebibyte - 1, 0x20)
    await attack(16, async (socket, index) => {
      const authorization = basic(others[index] ?? '', 'other-pw')
      await socket.send(
        head('PUT', path('full'), 4 * mebibyte, { authorization, 'Content-Type': manifestType }),
      )
      await socket.send(almost)
    })
    await othersPush('full')
    assert.ok(sockets.some(({ statuses }) => statuses.includes(408)))
    assert.ok(!sockets.every(({ statuses }) => statuses.includes(408)), 'and no more than have to be')
    await endAttack()
  })

  test('half-read bodies of more than there is room for all come to their end', async () => {
    const half = Buffer.alloc(2 * mebibyte, 0x20)
    const statuses: Promise<number | undefined>[] = []
    await attack(32, async (socket, index) => {
      const authorization = basic(others[index % 16] ?? '', 'other-pw')
      await socket.send(
        head('PUT', path('half'), 4 * mebibyte, { authorization, 'Content-Type': manifestType }),
      )
      await socket.send(half)
    })
    for (const socket of sockets) statuses.push(socket.send(half).then(() => socket.status()))
    // The registry refuses a manifest of spaces only after it has read all of it.
    const ended = await Promise.all(statuses)
    // On a busy machine this client may be the slowest, which gets 408. Either way it gets an answer.
    assert.deepEqual(
      ended.filter((status) => status !== 400 && status !== 408),
      [],
    )
    assert.ok(ended.filter((status) => status === 400).length >= 16, ended.join(' '))
    await endAttack()
  })

  test('a form that does not come is ended after 10 s, wherever there is room', async () => {
    assert.equal(await patient.status(15_000), 408)
    patient.close()
  })
})
