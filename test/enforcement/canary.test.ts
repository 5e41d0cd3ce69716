import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { canaryImage } from '../../src/oci/canary-image.ts'
import { digestOf, openGuarded, type Answered, type GuardedRegistry } from './guarded-registry.ts'
import { denying, policy } from './test-feed.ts'

const canary = canaryImage()
const path = `/v2/${canary.repository}`

async function pushBlob(
  registry: GuardedRegistry,
  { digest, content }: { readonly digest: string; readonly content: Uint8Array },
): Promise<Answered> {
  const opened = await registry.send('POST', `${path}/blobs/uploads/`)
  const location = String(opened.headers['location'])
  const mark = location.includes('?') ? '&' : '?'
  return registry.send('PUT', `${location}${mark}digest=${digest}`, {
    headers: { 'content-type': 'application/octet-stream' },
    body: content,
  })
}

async function pushCanary(registry: GuardedRegistry): Promise<number[]> {
  const blobs: number[] = []
  for (const blob of canary.blobs) blobs.push((await pushBlob(registry, blob)).status)
  const { status } = await registry.send('PUT', `${path}/manifests/${canary.tag}`, {
    headers: { 'content-type': canary.mediaType },
    body: canary.manifest,
  })
  return [...blobs, status]
}

async function pullCanary(registry: GuardedRegistry): Promise<number[]> {
  const places = [
    `${path}/manifests/${canary.tag}`,
    `${path}/manifests/${canary.digest}`,
    ...canary.blobs.map(({ digest }) => `${path}/blobs/${digest}`),
  ]
  return Promise.all(places.map(async (place) => (await registry.send('GET', place)).status))
}

const [layer] = canary.blobs
const refusing = [
  ['denies what no rule covers', policy({ default: 'deny', rules: [] })],
  ['denies its repository', policy({ deny: [{ scope: '@trow/trow/canary', reason: 'x' }] })],
  ['denies its digest', denying(canary.digest)],
  ['denies its layer', denying(layer?.digest ?? '')],
] as const

suite('the canary image of the agents', () => {
  for (const [what, document] of refusing)
    test(`is pushed and pulled under a policy that ${what}, and leaves no record of it`, async () => {
      await using registry = await openGuarded({ audited: true })
      await registry.feed.set([document])
      assert.deepEqual(await pushCanary(registry), [201, 201, 201])
      assert.deepEqual(await pullCanary(registry), [200, 200, 200, 200])
      assert.deepEqual(registry.trail.deniedOnes, [])
      assert.deepEqual(registry.guard.counts(), [])
    })

  test('is all of its repository that is not judged, and is judged elsewhere', async () => {
    await using registry = await openGuarded()
    await registry.feed.set([policy({ default: 'deny', rules: [] })])
    const other = Buffer.from('another blob')
    assert.equal((await pushBlob(registry, { digest: digestOf(other), content: other })).status, 403)
    assert.equal((await registry.send('POST', '/v2/trow/canary2/blobs/uploads/')).status, 403)
    assert.equal((await registry.send('POST', '/v2/team-a/app/blobs/uploads/')).status, 403)
  })
})
