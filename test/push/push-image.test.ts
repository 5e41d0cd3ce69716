import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestOfBytes } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/repository-name.ts'
import { parseTag } from '../../src/oci/tag.ts'
import { pushImage } from '../../src/push/push-image.ts'
import type { BlobSource, RegistryPusher } from '../../src/upstream/registry-pusher.ts'

const target = { repository: parseRepositoryName('app'), tag: parseTag('1') }
const line = { done: () => undefined, sent: () => undefined, interrupted: () => undefined }

function blobOf(size: number): BlobSource {
  return { digest: digestOfBytes('sha256', Buffer.alloc(size)), size, async *open() {} }
}

function imageOf(blobs: readonly BlobSource[]): Parameters<typeof pushImage>[1] {
  const body = Buffer.from('{}')
  const manifest = { digest: digestOfBytes('sha256', body), mediaType: 'application/json', body, blobs }
  return { manifests: [manifest], name: undefined, notes: [] }
}

const listener = { expect: () => undefined, begin: () => line }

suite('pushing an image', () => {
  test('sends two blobs at a time, the largest first, then the manifest', async () => {
    const events: string[] = []
    let [running, most] = [0, 0]
    const pusher: RegistryPusher = {
      async pushBlob(_, { size }) {
        most = Math.max(most, ++running)
        events.push(`${size}`)
        await new Promise((resolve) => setImmediate(resolve))
        running--
        return size === 3 ? 'there' : 'pushed'
      },
      async pushManifest(_, reference) {
        events.push(reference)
        return 'sha256:x'
      },
      close: async () => undefined,
    }
    const result = await pushImage(pusher, imageOf([1, 3, 2, 4].map(blobOf)), target, listener)
    assert.deepEqual(events, ['4', '3', '2', '1', '1'])
    assert.equal(most, 2)
    assert.deepEqual(result, { digest: 'sha256:x', pushed: 3, total: 4, bytes: 7 })
  })

  test('starts no further blob once one has failed', async () => {
    const begun: number[] = []
    const pusher: RegistryPusher = {
      async pushBlob(_, { size }) {
        begun.push(size)
        await new Promise((resolve) => setImmediate(resolve))
        if (size === 5) throw new Error('cut')
        return 'pushed'
      },
      pushManifest: () => assert.fail('a manifest without its blobs'),
      close: async () => undefined,
    }
    const pushing = pushImage(pusher, imageOf([1, 2, 3, 4, 5].map(blobOf)), target, listener)
    await assert.rejects(pushing, /cut/)
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.deepEqual(begun, [5, 4])
  })
})
