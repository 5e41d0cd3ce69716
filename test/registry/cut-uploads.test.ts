import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import fc from 'fast-check'
import type { DataKey } from '../../src/blobs/blob-store.ts'
import { parseDigest, type Digest } from '../../src/oci/digest.ts'
import type { Body } from '../../src/registry/registry.ts'
import { bodyOf, openStores, places, repository, requester, sha256, type TestStores } from './stores.ts'

/** A size that is kept in memory, and one that is staged. */
const sizes = [600, 6000]

for (const place of places) {
  suite(`closing requests that are cut, ${place.name}`, { skip: place.skip }, () => {
    let stores: TestStores
    before(async () => {
      stores = await place.open()
    })
    after(() => stores.close())

    const open = async (): Promise<string> =>
      (await stores.registry.uploads.open(requester, repository, undefined)).id
    const finish = (
      id: string,
      digest: Digest,
      body: Body | undefined,
      signal?: AbortSignal,
    ): Promise<void> => stores.registry.uploads.finish(id, { requester, repository, digest }, body, signal)
    const cut = (id: string, digest: Digest, content: Buffer): Promise<void> =>
      assert.rejects(finish(id, digest, bodyOf(content, { fail: true })), /went away/)
    const offset = async (id: string): Promise<number | undefined> =>
      (await stores.registry.uploads.status({ requester, repository, id }))?.offset
    const keys = async (): Promise<DataKey[]> => [
      ...new Set((await Array.fromAsync(stores.blobs.list())).map(({ key }) => key)),
    ]

    async function read(digest: Digest): Promise<Buffer> {
      const blob = await stores.registry.blobs.open(requester, repository, digest)
      const chunks: Buffer[] = []
      for await (const chunk of blob?.stream() ?? []) chunks.push(Buffer.from(chunk))
      blob?.close()
      return Buffer.concat(chunks)
    }

    /** The content is stored, and nothing else is left of the upload. */
    async function holds(digest: Digest, content: Buffer, before: readonly DataKey[]): Promise<void> {
      assert.ok((await read(digest)).equals(content))
      const more = (await keys()).filter((key) => !before.includes(key))
      const sizes = await Promise.all(more.map((key) => stores.blobs.size(key)))
      assert.ok(more.length <= 1 && !sizes.includes(undefined), `left behind: ${more.join()}`)
    }

    for (const size of sizes) {
      test(`${size} bytes: the same request once more is taken`, async () => {
        const content = randomBytes(size)
        const digest = sha256(content)
        const kept = await keys()
        const id = await open()
        await cut(id, digest, content.subarray(0, size / 2))
        assert.equal(await offset(id), size / 2)
        await finish(id, digest, bodyOf(content))
        assert.equal(await offset(id), undefined)
        await holds(digest, content, kept)
      })

      test(`${size} bytes: the rest from the offset is taken`, async () => {
        const content = randomBytes(size)
        const digest = sha256(content)
        const kept = await keys()
        const id = await open()
        await cut(id, digest, content.subarray(0, size / 2))
        await finish(id, digest, bodyOf(content.subarray(size / 2)))
        await holds(digest, content, kept)
      })

      test(`${size} bytes: one that fits neither way keeps the upload as it was`, async () => {
        const content = randomBytes(size)
        const digest = sha256(content)
        const kept = await keys()
        const id = await open()
        await cut(id, digest, content.subarray(0, size / 2))
        const held = await keys()
        await assert.rejects(finish(id, digest, bodyOf(randomBytes(size))), {
          code: 'DIGEST_INVALID',
          detail: new RegExp(`still has ${size / 2} bytes`),
        })
        const rest = { start: size / 2, end: size - 1 }
        await assert.rejects(finish(id, digest, bodyOf(randomBytes(size / 2), { range: rest })), {
          code: 'DIGEST_INVALID',
        })
        await assert.rejects(finish(id, digest, undefined), { code: 'DIGEST_INVALID' })
        await assert.rejects(finish(id, digest, bodyOf(content, { range: { start: 0, end: size - 1 } })), {
          code: 'RANGE_INVALID',
          upload: { id, repository, offset: size / 2 },
        })
        assert.equal(await offset(id), size / 2)
        assert.deepEqual((await keys()).toSorted(), held.toSorted())
        await finish(id, digest, bodyOf(content.subarray(size / 2), { range: rest }))
        await holds(digest, content, kept)
      })

      test(`${size} bytes: one that is cut again changes nothing`, async () => {
        const content = randomBytes(size)
        const digest = sha256(content)
        const kept = await keys()
        const id = await open()
        await cut(id, digest, content.subarray(0, size / 2))
        await cut(id, digest, content.subarray(0, size - 10))
        assert.equal(await offset(id), size / 2)
        await finish(id, digest, bodyOf(content))
        await holds(digest, content, kept)
      })

      test(`${size} bytes: content that repeats itself is told apart by its digest`, async () => {
        const zeros = Buffer.alloc(size)
        for (const whole of [size + 7, size + 7 + size]) {
          const digest = sha256(Buffer.alloc(whole))
          const id = await open()
          await cut(id, digest, zeros)
          await finish(id, digest, bodyOf(Buffer.alloc(size + 7)))
          assert.equal((await read(digest)).length, whole)
        }
      })

      test(`${size} bytes: what was sent in parts stays, whatever is cut after it`, async () => {
        const first = randomBytes(size)
        for (const again of [true, false]) {
          const last = randomBytes(size)
          const content = Buffer.concat([first, last])
          const digest = sha256(content)
          const kept = await keys()
          const id = await open()
          await stores.registry.uploads.append({ requester, repository, id }, bodyOf(first))
          await cut(id, digest, last.subarray(0, 100))
          await finish(id, digest, bodyOf(again ? last : last.subarray(100)))
          await holds(digest, content, kept)
        }
      })
    }

    test('after parts alone the last request is the last part, and another digest ends the upload', async () => {
      const content = randomBytes(5000)
      const id = await open()
      await stores.registry.uploads.append({ requester, repository, id }, bodyOf(content.subarray(0, 2000)))
      await assert.rejects(finish(id, sha256(content), bodyOf(content)), { code: 'DIGEST_INVALID' })
      assert.equal(await offset(id), undefined)
    })

    test('a part that goes on from the offset ends the doubt', async () => {
      const content = randomBytes(5000)
      const id = await open()
      await cut(id, sha256(content), content.subarray(0, 2000))
      await stores.registry.uploads.append(
        { requester, repository, id },
        bodyOf(content.subarray(2000, 4000), { range: { start: 2000, end: 3999 } }),
      )
      await finish(id, sha256(content), bodyOf(content.subarray(4000)))
      assert.ok((await read(sha256(content))).equals(content))
    })

    test('the second of two at once takes over, and both readings of it are tried', async () => {
      const content = randomBytes(6000)
      const digest = sha256(content)
      const id = await open()
      const begun = Promise.withResolvers<void>()
      const hanging = finish(id, digest, {
        length: content.length,
        onDemand: false,
        source: {
          async *[Symbol.asyncIterator]() {
            yield content.subarray(0, 3000)
            begun.resolve()
            await new Promise<void>(() => {})
          },
        },
      })
      await begun.promise
      const second = finish(id, digest, bodyOf(content))
      await assert.rejects(hanging, { code: 'BLOB_UPLOAD_INVALID' })
      await second
      assert.ok((await read(digest)).equals(content))
    })

    test('any way of being cut ends in the bytes that were sent', async () => {
      const size = fc.nat(2500)
      const plan = fc.record({
        before: size,
        cuts: fc.array(fc.tuple(size, fc.boolean()), { minLength: 1, maxLength: 3 }),
        last: fc.integer({ min: 1, max: 2500 }),
        again: fc.boolean(),
        algorithm: fc.constantFrom('sha256', 'sha512'),
      })
      await fc.assert(
        fc.asyncProperty(plan, async ({ before: ahead, cuts, last, again, algorithm }) => {
          const first = randomBytes(ahead)
          const longest = Math.max(...cuts.map(([bytes]) => bytes))
          // The content of the closing request: at least as long as the longest part sent before.
          const closing = randomBytes(longest + last)
          const content = Buffer.concat([first, closing])
          const digest = parseDigest(`${algorithm}:${createHash(algorithm).update(content).digest('hex')}`)
          const id = await open()
          if (ahead > 0) await stores.registry.uploads.append({ requester, repository, id }, bodyOf(first))
          for (const [bytes] of cuts) await cut(id, digest, closing.subarray(0, bytes))
          const at = (await offset(id)) ?? 0
          await finish(id, digest, bodyOf(again ? closing : content.subarray(at)))
          assert.ok((await read(digest)).equals(content))
        }),
        { numRuns: place.name === 'in a folder' ? 60 : 8 },
      )
    })
  })
}

suite('closing requests whose reply was lost', () => {
  let stores: TestStores
  before(async () => {
    stores = await openStores()
  })
  after(() => stores.close())

  for (const size of sizes) {
    test(`${size} bytes: the same once more is answered alike, and begins the grace period anew`, async () => {
      const { uploads } = stores.registry
      const content = randomBytes(size)
      const digest = sha256(content)
      const { id } = await uploads.open(requester, repository, undefined)
      await uploads.finish(id, { requester, repository, digest }, bodyOf(content))
      const kept = (await Array.fromAsync(stores.blobs.list())).length
      stores.clock.now += 1000
      await uploads.finish(id, { requester, repository, digest }, bodyOf(content))
      const link = await stores.metadata.findLink(repository, digest)
      assert.equal(link?.unreferencedSince, stores.clock.now)
      assert.equal((await Array.fromAsync(stores.blobs.list())).length, kept)
      await uploads.finish(id, { requester, repository, digest }, undefined)
      await assert.rejects(
        uploads.finish(id, { requester, repository, digest }, bodyOf(randomBytes(size + 1))),
        {
          code: 'SIZE_INVALID',
        },
      )
      const endless: Body = {
        length: undefined,
        onDemand: false,
        source: {
          async *[Symbol.asyncIterator]() {
            for (;;) yield content
          },
        },
      }
      await assert.rejects(uploads.finish(id, { requester, repository, digest }, endless), {
        code: 'SIZE_INVALID',
      })
    })
  }

  test('one for a blob that is not in the repository is refused before its body is read', async () => {
    const content = randomBytes(5000)
    let read = false
    const body: Body = {
      ...bodyOf(content),
      source: {
        async *[Symbol.asyncIterator]() {
          read = true
          yield content
        },
      },
    }
    await assert.rejects(
      stores.registry.uploads.finish('gone', { requester, repository, digest: sha256(content) }, body),
      { code: 'BLOB_UPLOAD_UNKNOWN' },
    )
    assert.equal(read, false)
  })

  test('a blob that goes while the body is read is not promised', async () => {
    const { uploads, blobs } = stores.registry
    const content = randomBytes(5000)
    const digest = sha256(content)
    const { id } = await uploads.open(requester, repository, undefined)
    await uploads.finish(id, { requester, repository, digest }, bodyOf(content))
    const body: Body = {
      ...bodyOf(content),
      source: {
        async *[Symbol.asyncIterator]() {
          yield content.subarray(0, 2000)
          await blobs.remove(requester, repository, digest)
          yield content.subarray(2000)
        },
      },
    }
    await assert.rejects(uploads.finish(id, { requester, repository, digest }, body), {
      code: 'BLOB_UPLOAD_UNKNOWN',
    })
  })
})
