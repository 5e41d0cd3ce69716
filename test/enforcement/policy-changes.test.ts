import assert from 'node:assert/strict'
import { globSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { openGuarded, type Answered, type GuardedRegistry } from './guarded-registry.ts'
import { config, image, layer, push, pushBlob, pushManifest, type Content } from './images.ts'
import { denying, policy } from './test-feed.ts'

const name = 'prod/app'
const parts = [config('amd64'), layer('a layer')] as const
const whole = image(parts)

/** Pushes that the present policies allow, and that newer policies refuse before they are committed. */
const pushes: readonly {
  readonly what: string
  readonly denied: Content
  send(to: GuardedRegistry): Promise<Answered>
}[] = [
  { what: 'a manifest', denied: whole, send: (to) => pushManifest(to, name, whole, { as: 'new' }) },
  { what: 'a blob in one request', denied: parts[1], send: (to) => pushBlob(to, 'other', parts[1]) },
  {
    what: 'a closing PUT',
    denied: parts[1],
    send: async (to) => {
      const { headers } = await to.send('POST', '/v2/third/blobs/uploads/')
      const path = `${String(headers['location'])}?digest=${parts[1].digest}`
      return to.send('PUT', path, { body: parts[1].bytes })
    },
  },
  {
    what: 'a mount',
    denied: parts[1],
    send: (to) => to.send('POST', `/v2/fourth/blobs/uploads/?mount=${parts[1].digest}&from=${name}`),
  },
]

suite('policies that change between a decision and what is kept', () => {
  for (const { what, denied, send } of pushes) {
    test(`${what} is judged again, and refused`, async () => {
      await using registry = await openGuarded()
      await push(registry, name, whole, 'old')
      const { feed } = registry
      // The writer knows of the next policies; this thread still judges by the earlier ones.
      await feed.announce(1)
      const pushed = send(registry)
      await new Promise((resolve) => setTimeout(resolve, 300))
      feed.learn([denying(denied.sha256)])
      const { status, code } = await pushed
      assert.deepEqual([status, code], [403, 'DENIED'])
    })

    test(`${what} is judged again, and kept where the newer ones take it`, async () => {
      await using registry = await openGuarded()
      await push(registry, name, whole, 'old')
      await registry.feed.announce(1)
      const pushed = send(registry)
      await new Promise((resolve) => setTimeout(resolve, 300))
      registry.feed.learn([])
      assert.equal((await pushed).status, 201)
    })
  }

  test('an upload of a repository that was open before begins only if the policies of now take its name', async () => {
    await using registry = await openGuarded()
    const begin = async (): Promise<number> =>
      (await registry.send('POST', `/v2/${name}/blobs/uploads/`)).status
    const deny = { scope: '@trow/prod', reason: 'is closed' }
    assert.deepEqual([await begin(), await begin()], [202, 202])
    await registry.feed.set([policy({ deny: [deny] })])
    assert.equal(await begin(), 403)
    await registry.feed.set([])
    assert.equal(await begin(), 202)
  })

  test('a blob in one request leaves no bytes behind where the newer ones do not come', async () => {
    await using registry = await openGuarded()
    const large = layer('longer than what is kept in the database '.repeat(1000))
    await registry.feed.announce(1)
    const { status, code } = await pushBlob(registry, name, large)
    assert.deepEqual([status, code], [503, 'UNAVAILABLE'])
    const { folder } = registry.stores
    const files = globSync(['uploads/*', 'blobs/*/*'], { cwd: folder }).filter((path) =>
      statSync(join(folder, path)).isFile(),
    )
    assert.deepEqual(files, [])
  })
})
