import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { historyBounds } from '../../src/metadata/history-store.ts'
import { passwords, startGated, type GatedServer } from '../support/gated-server.ts'
import type { Received } from '../support/access-matrix.ts'
import { basic, exchange } from '../support/ways.ts'

const imageType = 'application/vnd.oci.image.manifest.v1+json'

interface Target {
  readonly sequence: number
  readonly digest: string
  readonly since: string
  readonly atLatest: boolean
  readonly pusher?: string
  readonly until?: string
  readonly end?: string
}

suite('history over HTTP', () => {
  let gated: GatedServer
  before(async () => {
    gated = await startGated()
  })
  after(() => gated.close())

  const send = (
    method: string,
    path: string,
    { as = 'puller', body }: { as?: keyof typeof passwords | undefined; body?: string } = {},
  ): Promise<Received> =>
    exchange(gated.url, {
      method,
      path,
      headers: { authorization: basic(as, passwords[as]), 'Content-Type': imageType },
      ...(body !== undefined && { body }),
    })

  const digestOf = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`
  const textOf = (name: string): string =>
    JSON.stringify({
      schemaVersion: 2,
      mediaType: imageType,
      config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf('{}'), size: 2 },
      layers: [],
      annotations: { name },
    })
  async function push(
    repository: string,
    name: string,
    tag: string,
    as: 'pusher' | 'admin' = 'pusher',
  ): Promise<string> {
    await send('POST', `/v2/${repository}/blobs/uploads/?digest=${digestOf('{}')}`, { as, body: '{}' })
    const body = textOf(name)
    const { status } = await send('PUT', `/v2/${repository}/manifests/${tag}`, { as, body })
    assert.equal(status, 201)
    return digestOf(body)
  }
  const targetsOf = ({ body }: Received): Target[] => (JSON.parse(body) as { targets: Target[] }).targets

  test('of a manifest: since when, by whom, and when it was removed', async () => {
    const start = new Date().toISOString()
    const digest = await push('team/first', 'a', 't')
    await push('team/first', 'a', 't', 'admin')
    const path = `/v2/team/first/_trow/manifests/history?digest=${digest}`
    const { status, body } = await send('GET', path)
    assert.equal(status, 200)
    const { since, ...rest } = JSON.parse(body) as { since: string }
    assert.ok(since >= start && since <= new Date().toISOString(), since)
    assert.deepEqual(rest, { name: 'team/first', digest, atLatest: false, pusher: 'pusher' })
    const deleted = await send('DELETE', `/v2/team/first/manifests/${digest}`, { as: 'admin' })
    assert.equal(deleted.status, 202)
    const gone = JSON.parse((await send('GET', path)).body) as { since: string; removedAt: string }
    assert.equal(gone.since, since)
    assert.ok(gone.removedAt >= since, gone.removedAt)
    const head = await send('HEAD', path)
    assert.deepEqual([head.status, head.body], [200, ''])
  })

  test('of a tag: what it pointed to, latest first, also when it is gone', async () => {
    const [a, b] = [await push('team/moved', 'a', 't'), await push('team/moved', 'b', 't', 'admin')]
    const path = '/v2/team/moved/_trow/tags/history?tag=t'
    const [now, old, ...none] = targetsOf(await send('GET', path))
    assert.ok(now && old && none.length === 0)
    assert.deepEqual([now.digest, now.pusher, now.until, now.end], [b, 'admin', undefined, undefined])
    assert.deepEqual([old.digest, old.pusher, old.until, old.end], [a, 'pusher', now.since, 'moved'])
    await send('DELETE', '/v2/team/moved/manifests/t', { as: 'admin' })
    assert.deepEqual(targetsOf(await send('GET', path)).map(({ end }) => end), ['removed', 'moved']) // prettier-ignore
  })

  test('of a tag in pages, and never more than is kept', async () => {
    const moves = historyBounds.moves + 3
    for (let move = 0; move < moves; move++) await push('team/paged', `m${move}`, 't')
    const path = '/v2/team/paged/_trow/tags/history?tag=t'
    const whole = targetsOf(await send('GET', path))
    assert.equal(whole.length, historyBounds.moves + 1)
    const paged: Target[] = []
    let pages = 0
    for (let next: string | undefined = `${path}&n=40`; next !== undefined; pages++) {
      const reply: Received = await send('GET', next)
      paged.push(...targetsOf(reply))
      // A move between two pages repeats nothing and leaves nothing out.
      await push('team/paged', `between ${pages}`, 't')
      next = /^<([^>]+)>; rel="next"$/.exec(reply.headers['link'] ?? '')?.[1]
    }
    assert.equal(pages, 3)
    const sequences = (targets: readonly Target[]): number[] => targets.map(({ sequence }) => sequence)
    // What fell out of the bound meanwhile is gone from the end.
    assert.deepEqual(sequences(paged), sequences(whole).slice(0, paged.length))
    assert.ok(paged.length >= whole.length - 2, String(paged.length))
  })

  const refusals: readonly (readonly [name: string, path: string, status: number, code: string])[] = [
    ['no digest', '/manifests/history', 400, 'DIGEST_INVALID'],
    ['what is no digest', '/manifests/history?digest=latest', 400, 'DIGEST_INVALID'],
    ['a digest that never was', `/manifests/history?digest=${digestOf('none')}`, 404, 'MANIFEST_UNKNOWN'],
    ['no tag', '/tags/history', 400, 'TAG_INVALID'],
    ['what is no tag', '/tags/history?tag=a/b', 400, 'TAG_INVALID'],
    ['a tag that never was', '/tags/history?tag=none', 404, 'MANIFEST_UNKNOWN'],
    ['a page of no number', '/tags/history?tag=t&n=x', 400, 'PAGINATION_NUMBER_INVALID'],
  ]
  for (const [name, path, status, code] of refusals) {
    test(`refuses ${name}`, async () => {
      await push('team/refused', 'a', 't')
      const reply = await send('GET', `/v2/team/refused/_trow${path}`)
      assert.equal(reply.status, status, reply.body)
      assert.match(reply.body, new RegExp(`"${code}"`))
    })
  }

  test('needs the right to pull, as the manifest does', async () => {
    const digest = await push('team/private', 'a', 't')
    for (const path of [`manifests/history?digest=${digest}`, 'tags/history?tag=t']) {
      const denied = await send('GET', `/v2/team/private/_trow/${path}`, { as: 'nobody' })
      const absent = await send('GET', `/v2/team/absent/_trow/${path}`, { as: 'nobody' })
      assert.equal(denied.status, absent.status)
      assert.ok(denied.status === 403 || denied.status === 404, String(denied.status))
      assert.ok(!denied.body.includes('pusher'))
    }
  })
})
