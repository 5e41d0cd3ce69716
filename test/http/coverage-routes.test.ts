import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { oneAtATime } from '../../src/http/coverage-routes.ts'
import { OciError } from '../../src/oci/oci-error.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import { askCoverage } from '../../src/upstream/coverage-client.ts'
import { UpstreamFault } from '../../src/upstream/upstream-fault.ts'
import { seed, type Content } from '../support/access-matrix.ts'
import { passwords, startGated, type GatedServer } from '../support/gated-server.ts'
import { basic, exchange, waysOfPassword } from '../support/ways.ts'

suite('what holds a digest, through the registry', () => {
  let gated: GatedServer
  let seeded: Content
  before(async () => {
    gated = await startGated({ 'audit-readers': ['admin'] })
    const [admin] = waysOfPassword(gated.url, 'admin', passwords.admin)
    assert.ok(admin)
    seeded = await seed(admin, 'team/read')
  })
  after(() => gated.close())

  const ask = (user: 'admin' | 'pusher', digest: string): ReturnType<typeof askCoverage> =>
    askCoverage(
      { origin: gated.url, ca: undefined, credentials: { username: user, password: passwords[user] } },
      parseDigest(digest),
    )

  test('is told to whoever may read the audit', async () => {
    const { digest, holders, pulls, isComplete } = await ask('admin', seeded.manifest)
    assert.deepEqual([digest, isComplete, pulls], [seeded.manifest, true, []])
    assert.deepEqual(
      holders.map(({ repository, manifest, as }) => [repository, manifest, as]),
      [['team/read', seeded.manifest, 'self']],
    )
  })

  test('is told to nobody else, whatever they may pull or push', async () => {
    await assert.rejects(ask('pusher', seeded.manifest), (error: unknown) => {
      assert.ok(error instanceof UpstreamFault)
      assert.equal(error.kind, 'denied')
      assert.match(error.message, /pusher has no right to read the audit/)
      return true
    })
    const path = `/trow/v1/coverage?digest=${seeded.manifest}`
    assert.equal((await exchange(gated.url, { method: 'GET', path })).status, 401)
  })

  test('has to be asked of a digest', async () => {
    const headers = { authorization: basic('admin', passwords.admin) }
    for (const query of ['', '?digest=latest']) {
      const path = `/trow/v1/coverage${query}`
      const { status, body } = await exchange(gated.url, { method: 'GET', path, headers })
      assert.equal(status, 400)
      assert.match(body, /DIGEST_INVALID/)
    }
  })
})

test('one question of what holds a digest is answered at a time', async () => {
  const digest = parseDigest(`sha256:${'a'.repeat(64)}`)
  const { signal } = new AbortController()
  const first = Promise.withResolvers<object>()
  const answers = [first.promise, Promise.reject(new Error('broken')), Promise.resolve({})]
  const answer = oneAtATime(() => answers.shift() ?? Promise.resolve({}))
  const asked = answer(digest, signal)
  await assert.rejects(
    answer(digest, signal),
    (error: unknown) => error instanceof OciError && error.code === 'TOOMANYREQUESTS',
  )
  first.resolve({ found: true })
  assert.deepEqual(await asked, { found: true })
  await assert.rejects(answer(digest, signal), /broken/)
  assert.deepEqual(await answer(digest, signal), {})
})
