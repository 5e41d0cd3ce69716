import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import type { MetadataStore } from '../../../src/metadata/metadata-store.ts'
import { parseRepositoryName } from '../../../src/oci/repository-name.ts'
import { parseTag } from '../../../src/oci/tag.ts'
import { missing } from '../../requirements.ts'
import { queryAt } from '../../support/postgres-server.ts'
import { digestOf, manifestOf } from '../metadata-store-contract.ts'
import { CommitProxy, type Fate } from './commit-proxy.ts'
import { openStore, TestPostgres } from './open-postgres.ts'

const skip = missing('initdb', 'postgres')

suite('connections that break, and a server that restarts', { skip }, () => {
  const postgres = new TestPostgres()
  const repository = parseRepositoryName('some/name')

  async function behindProxy(
    t: TestContext,
  ): Promise<{ store: MetadataStore; proxy: CommitProxy; url: string }> {
    const url = await postgres.newRegistry()
    const { port } = await postgres.server
    const proxy = await CommitProxy.start(port)
    const store = openStore(url.replace(`:${port}/`, `:${proxy.port}/`))
    t.after(async () => {
      await store.close()
      proxy.stop()
    })
    return { store, proxy, url }
  }

  for (const fate of ['lose answer', 'lose commit'] satisfies Fate[]) {
    test(`a change whose connection breaks at COMMIT happens once: ${fate}`, async (t) => {
      const { store, proxy, url } = await behindProxy(t)
      for (const name of ['a', 'b', 'c']) {
        proxy.fate = fate
        const manifest = manifestOf(repository, name, {
          tags: [parseTag('t')],
          now: 1,
          auditRecord: `push of ${name}`,
        })
        assert.deepEqual(await store.putManifest(manifest), { kind: 'stored' })
        assert.equal((await store.findManifest(repository, parseTag('t')))?.digest, digestOf(name))
      }
      assert.equal(proxy.cuts, 3)
      assert.deepEqual(await queryAt(url, 'select note from outbox order by id'), [
        { note: 'push of a' },
        { note: 'push of b' },
        { note: 'push of c' },
      ])
    })
  }

  test('a commit that is found to be lost when there is no time for another try is UNAVAILABLE', async (t) => {
    const { store, proxy } = await behindProxy(t)
    const now = performance.now.bind(performance)
    let ahead = 0
    t.mock.method(performance, 'now', () => now() + ahead)
    const manifest = manifestOf(repository, 'late', { now: 1 })
    proxy.fate = 'lose commit'
    const put = store.putManifest(manifest)
    while (proxy.cuts === 0) await new Promise(setImmediate)
    ahead = 60_000
    await assert.rejects(put, { code: 'UNAVAILABLE' })
    assert.deepEqual(await store.putManifest(manifest), { kind: 'stored' })
  })

  test('what was acknowledged while the server restarts and crashes is there, and nobody is refused', async () => {
    const url = await postgres.newRegistry()
    const server = await postgres.server
    const store = openStore(url)
    const acknowledged: string[] = []
    const errors: unknown[] = []
    let isOver = false
    const pushers = Array.from({ length: 8 }, async (_, pusher) => {
      for (let round = 0; !isOver; round++) {
        const text = `${pusher}.${round}`
        await store.putManifest(manifestOf(repository, text, { now: 1 })).then(
          () => acknowledged.push(text),
          (error: unknown) => errors.push(error),
        )
      }
    })
    const readers = Array.from({ length: 2 }, async () => {
      while (!isOver) {
        const text = acknowledged.at(-1)
        if (text === undefined) await new Promise(setImmediate)
        else {
          const found = await store.findManifest(repository, digestOf(text)).catch((error: unknown) => error)
          if (found === undefined || found instanceof Error) errors.push(found ?? `${text} is not there`)
        }
      }
    })
    for (const how of ['fast', 'immediate'] as const) {
      const before = acknowledged.length
      while (acknowledged.length < before + 50) await new Promise((resolve) => setTimeout(resolve, 10))
      await server.end(how)
      await server.begin()
    }
    const before = acknowledged.length
    while (acknowledged.length < before + 50) await new Promise((resolve) => setTimeout(resolve, 10))
    isOver = true
    await Promise.all([...pushers, ...readers])
    assert.deepEqual(errors, [])
    for (const text of acknowledged) assert.ok(await store.findManifest(repository, digestOf(text)), text)
    await store.close()
  })

  test(
    'a server that stays away is UNAVAILABLE, and what comes back is used again',
    { timeout: 60_000 },
    async () => {
      const url = await postgres.newRegistry()
      const server = await postgres.server
      const store = openStore(url)
      await store.putManifest(manifestOf(repository, 'kept', { now: 1 }))
      await server.end()
      const put = store.putManifest(manifestOf(repository, 'new', { now: 1 }))
      await assert.rejects(put, { code: 'UNAVAILABLE' })
      await assert.rejects(store.findManifest(repository, digestOf('kept')), { code: 'UNAVAILABLE' })
      await server.begin()
      assert.ok(await store.findManifest(repository, digestOf('kept')))
      assert.deepEqual(await store.putManifest(manifestOf(repository, 'new', { now: 1 })), { kind: 'stored' })
      await store.close()
    },
  )
})
