import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { closureOf } from '../../src/enforcement/closure.ts'
import { ManifestReader } from '../../src/enforcement/manifest-reader.ts'
import { PolicyGuard } from '../../src/enforcement/policy-guard.ts'
import { pushedImage } from '../../src/enforcement/pushed-image.ts'
import { Sha256Twins } from '../../src/enforcement/sha256-twins.ts'
import type { ManifestRecord } from '../../src/metadata/records.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseManifest } from '../../src/oci/manifest.ts'
import { parseRepositoryName } from '../../src/oci/repository-name.ts'
import type { Tag } from '../../src/oci/tag.ts'
import type { ManifestPush } from '../../src/registry/content-guard.ts'
import { digestOf } from './guarded-registry.ts'
import { config, image, index, layer, type Content, type Image } from './images.ts'
import { denying, policy, TestFeed } from './test-feed.ts'

const name = parseRepositoryName('prod/app')
const amd = image([config('amd64'), layer('for amd64')])
const arm = image([config('arm64'), layer('for arm64')])
const requester = {
  name: 'tester',
  reason: '',
  auditRecord: () => undefined,
  judged: () => undefined,
  refused: () => Promise.resolve(undefined),
}

/** A guard whose stores have the two images, and what it has looked up in them. */
function watchedGuard(): { readonly guard: PolicyGuard; readonly feed: TestFeed; readonly looked: string[] } {
  const looked: string[] = []
  const never = (): never => assert.fail('looked up')
  const metadata = {
    findManifest: (_: unknown, reference: string) => {
      looked.push(`manifest ${reference}`)
      const found = [amd, arm].find(({ digest }) => digest === reference)
      return Promise.resolve(found && ({ ...found, body: found.bytes } as unknown as ManifestRecord))
    },
    findBlob: (_: unknown, digest: string) => {
      looked.push(`blob ${digest}`)
      const bytes = [amd, arm].flatMap(({ blobs }) => blobs).find((blob) => blob.digest === digest)?.bytes
      const found = bytes && { digest, size: bytes.byteLength, content: { kind: 'inline', bytes } }
      return Promise.resolve(found as never)
    },
    contents: { parents: never, twinOf: never, setTwin: never } as never,
  }
  const feed = new TestFeed(undefined as never)
  const guard = new PolicyGuard({ feed, metadata, blobs: { open: never }, now: Date.now })
  return { guard, feed, looked }
}

function pushOf({ bytes, digest, mediaType }: Content): ManifestPush {
  return {
    requester,
    repository: name,
    digest: parseDigest(digest),
    byDigest: false,
    tags: ['v1' as Tag],
    manifest: parseManifest(bytes, mediaType),
    body: bytes,
  }
}

suite('what a push has looked up', () => {
  test('nothing for an image or a blob, and it is answered at once, where no rule needs platforms', () => {
    const { guard, feed, looked } = watchedGuard()
    const rules = [{ scope: '@trow/prod', require: { maxSize: '1MiB', present: true } }]
    feed.learn([denying(digestOf('other'), { rules }), policy({ mode: 'audit', default: 'deny' }, 'audited')])
    // What the second policy finds belongs in the audit record.
    const stamp = { generation: 1, registryGeneration: 1, isRecorded: true }
    assert.deepEqual(guard.pushManifest(pushOf(amd)), stamp)
    const [{ digest } = assert.fail()] = amd.blobs
    const blob = { requester, repository: name, digest: parseDigest(digest) }
    assert.deepEqual(guard.pushBlob(blob), stamp)
    assert.equal(guard.openUpload(requester, name), undefined)
    assert.deepEqual(looked, [])
  })

  test('what is denied is denied without a look-up too', async () => {
    const { guard, feed, looked } = watchedGuard()
    for (const { sha256 } of [amd, ...amd.blobs]) {
      feed.learn([denying(sha256)])
      await assert.rejects(async () => guard.pushManifest(pushOf(amd)), { code: 'DENIED' })
    }
    assert.deepEqual(looked, [])
  })

  test('the config where a rule needs platforms', async () => {
    const { guard, feed, looked } = watchedGuard()
    feed.learn([policy({ rules: [{ scope: '@trow/prod', require: { platforms: ['linux/amd64'] } }] })])
    await guard.pushManifest(pushOf(amd))
    await assert.rejects(async () => guard.pushManifest(pushOf(arm)), { code: 'DENIED' })
    assert.deepEqual(
      looked,
      [amd, arm].map(({ blobs }) => `blob ${blobs[0]?.digest ?? ''}`),
    )
  })

  test('the children of an index, and their configs where a rule needs platforms', async () => {
    const { guard, feed, looked } = watchedGuard()
    const both = index([amd, arm])
    const children = [arm, amd].map(({ digest }) => `manifest ${digest}`)
    feed.learn([denying(digestOf('other'))])
    await guard.pushManifest(pushOf(both))
    assert.deepEqual(looked.splice(0), children)
    feed.learn([policy({ rules: [{ scope: '@trow/prod', require: { platforms: ['linux/arm64'] } }] })])
    await guard.pushManifest(pushOf(both))
    assert.deepEqual(
      looked.filter((each) => each.startsWith('manifest')),
      children,
    )
    assert.equal(looked.length, 4)
  })

  test('platforms that a policy needs since the look-up began are looked up as well', async () => {
    const { guard, feed, looked } = watchedGuard()
    feed.learn([denying(digestOf('other'))])
    const pushed = guard.pushManifest(pushOf(index([arm])))
    feed.learn([policy({ rules: [{ scope: '@trow/prod', require: { platforms: ['linux/amd64'] } }] })])
    await assert.rejects(async () => pushed, { code: 'DENIED' })
    assert.equal(looked.at(-1), `blob ${arm.blobs[0]?.digest ?? ''}`)
  })

  test('the manifest of an image says the same as a walk through its content', async () => {
    const { metadata, blobs } = { metadata: {}, blobs: {} } as never
    const parts = { metadata, blobs, reader: new ManifestReader(), twins: new Sha256Twins(metadata, blobs) }
    const anyLayers = fc.array(
      fc.nat(5).map((number) => layer(`layer ${number}`)),
      { maxLength: 8 },
    )
    await fc.assert(
      fc.asyncProperty(anyLayers, async (layers) => {
        const whole: Image = image([config('amd64'), ...layers])
        const { digest, manifest: parsed, body } = pushOf(whole)
        const kept = { digest, mediaType: parsed.mediaType, body, parsed }
        const told = pushedImage(kept)
        assert.ok(told !== undefined)
        assert.deepEqual(told, await closureOf(parts, name, kept, false))
      }),
    )
  })

  test('the manifest of an index, or with another digest than sha256, does not say all', () => {
    const others = [
      index([amd]),
      image([config('amd64'), layer('x', 'sha512')]),
      image([config('amd64')], { algorithm: 'sha512' }),
    ]
    for (const other of others) {
      const { digest, manifest: parsed, body } = pushOf(other)
      assert.equal(pushedImage({ digest, mediaType: parsed.mediaType, body, parsed }), undefined)
    }
  })
})
