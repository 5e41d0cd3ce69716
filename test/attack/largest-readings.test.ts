import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { Authority } from '../../src/access/authority.ts'
import type { Principal } from '../../src/access/principal.ts'
import { Rules } from '../../src/access/rules.ts'
import { WorkerAccess } from '../../src/access/worker-access.ts'
import { accessEvent } from '../../src/audit/cloud-event.ts'
import { queryAudit } from '../../src/audit/query.ts'
import { SegmentFolder } from '../../src/audit/stores/folder/segment-folder.ts'
import { SegmentLog } from '../../src/audit/stores/folder/segment-log.ts'
import { FolderStore } from '../../src/audit/stores/folder/folder-store.ts'
import { listingRoutes } from '../../src/http/listing-routes.ts'
import type { ServerRequest } from '../../src/http/server-request.ts'
import { parseRepositoryName, type RepositoryName } from '../../src/oci/repository-name.ts'
import { auditRecordOf, quiet } from '../audit/records.ts'
import { openStores, requester, sha256 } from '../registry/stores.ts'

// The largest requests of a reader to the catalogue and the audit. Work is counted here; `npm run bench -- inputs` measures times.

const lines = 3000

suite('the audit, read with patterns that are slow for each line', { timeout: 60_000 }, () => {
  let folder: string
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'trow-readings-'))
    const log = await SegmentLog.open({
      folder: new SegmentFolder(folder),
      log: 'pulls',
      logger: quiet,
      // One sealed segment, and one open segment.
      segmentSize: 1024 * 1024,
    })
    for (let first = 0; first < lines; first += 500) {
      const events = Array.from({ length: 500 }, (_, each) =>
        accessEvent(auditRecordOf(`${first + each}`, { action: 'pull', repository: 'a'.repeat(255) }), {
          source: '/trow',
          facts: undefined,
          row: undefined,
        }),
      )
      await log.append(events, 1)
    }
    await log.close()
  })
  after(() => rmSync(folder, { recursive: true }))

  /** The largest number of lines that were parsed between two turns of the event loop. */
  async function mostInTurn(work: () => Promise<void>): Promise<{ most: number; all: number }> {
    const parse = JSON.parse
    let [turn, most, all] = [0, 0, 0]
    JSON.parse = (...values: Parameters<typeof parse>): unknown => {
      if (turn++ === 0) setImmediate(() => (turn = 0))
      most = Math.max(most, turn)
      all++
      return parse(...values)
    }
    try {
      await work()
    } finally {
      JSON.parse = parse
    }
    return { most, all }
  }

  test('whether lines fit or not, few of them are looked at in a turn', async () => {
    for (const [repository, found] of [
      [`**${'a'.repeat(128)}b`, 0],
      [`**${'a'.repeat(128)}`, lines],
    ] as const) {
      let count = 0
      const { most, all } = await mostInTurn(async () => {
        for await (const event of queryAudit(new FolderStore(folder), { repository }, lines))
          count += event === undefined ? 0 : 1
      })
      assert.equal(count, found)
      assert.ok(all >= lines, `${all} lines looked at`)
      assert.ok(most <= 130, `${most} lines in one turn`)
    }
  })
})

suite('a catalogue of which its caller may list little', { timeout: 60_000 }, () => {
  const caller: Principal = { kind: 'password', name: 'few', groups: [], reviewable: false }

  test('few names are judged in a turn, and all that may be listed are found', async () => {
    const stores = await openStores()
    try {
      const config = {
        mediaType: 'application/vnd.docker.image.rootfs.foreign.x',
        digest: sha256('c'),
        size: 1,
      }
      const mediaType = 'application/vnd.oci.image.manifest.v1+json'
      const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [] }))
      const reference = sha256(body)
      await Promise.all(
        Array.from({ length: 1500 }, (_, each) =>
          stores.registry.manifests.put({
            requester,
            repository: parseRepositoryName(`hidden/r${each}`),
            reference,
            tags: [],
            contentType: undefined,
            body,
          }),
        ),
      )
      let [turn, most, all] = [0, 0, 0]
      const can = (_action: string, name: RepositoryName): boolean => {
        if (turn++ === 0) setImmediate(() => (turn = 0))
        most = Math.max(most, turn)
        all++
        return name.endsWith('77')
      }
      const request = { caller: { can }, hasQuery: false } as unknown as ServerRequest
      const route = listingRoutes(stores.registry).find(({ path }) => path === '/v2/_catalog')
      const reply = await route?.handler(request, undefined as never)
      const text =
        typeof reply?.body === 'object' && 'stream' in reply.body
          ? Buffer.concat(await Array.fromAsync(reply.body.stream()))
          : (reply?.body ?? '')
      const { repositories } = JSON.parse(text.toString()) as { repositories: string[] }
      assert.equal(all, 1500)
      assert.equal(repositories.length, 15)
      assert.ok(most <= 200, `${most} names in one turn`)
    } finally {
      await stores.close()
    }
  })

  test('pushes out nothing of what is remembered for pulls', async () => {
    const rules = new Rules([{ who: ['few'], repositories: ['a/**'], actions: ['pull', 'list'] }])
    let pulls = 0
    const access = new WorkerAccess({
      authority: {} as Authority,
      rules: () => ({
        decide(principal, action, repository) {
          if (action === 'pull') pulls++
          return rules.decide(principal, action, repository)
        },
      }),
      auditReaders: () => ({ decide: () => ({ allowed: false, reason: '' }) }),
      tokens: { claims: () => false, verify: () => Promise.reject(new Error('there are none')) },
      reviews: false,
      now: Date.now,
      cacheKey: new Uint8Array(32),
    })
    const pull = async (): Promise<boolean> =>
      (await access.decide(caller, 'pull', parseRepositoryName('a/b'))).allowed
    assert.equal(await pull(), true)
    for (let each = 0; each < 120_000; each++) {
      const { allowed } = await access.decide(caller, 'list', `hidden/r${each}` as RepositoryName)
      assert.equal(allowed, false)
    }
    assert.equal(await pull(), true)
    assert.equal(pulls, 1)
  })

  test('a rule that names somebody else is asked for once, not for each name', () => {
    let asked = 0
    const groups = new Proxy([] as string[], {
      get(target, key) {
        asked++
        return Reflect.get(target, key)
      },
    })
    const who = Array.from({ length: 100 }, (_, each) => `group:g${each}`)
    const rules = new Rules([
      { who, repositories: ['**'], actions: ['list'] },
      { who: ['few'], repositories: ['a/**'], actions: ['list'] },
    ])
    const principal = { ...caller, groups }
    for (let each = 0; each < 100; each++)
      rules.decide(principal, 'list', `hidden/r${each}` as RepositoryName)
    assert.ok(asked > 0)
    const before = asked
    for (let each = 0; each < 1000; each++) rules.decide(principal, 'list', `a/r${each}` as RepositoryName)
    assert.equal(asked, before)
  })
})
