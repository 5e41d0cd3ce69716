import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import fc from 'fast-check'
import { parseDigest } from '../../src/oci/digest.ts'
import { bodyOf, places, repository, requester, sha256, type TestStores } from './stores.ts'

/** One random request of an upload. */
type Step =
  | { readonly kind: 'append'; readonly size: number; readonly ranged: boolean; readonly fail: boolean }
  | { readonly kind: 'stale'; readonly shift: number }
  | { readonly kind: 'status' }
  | { readonly kind: 'elsewhere' }

for (const place of places) {
  suite(`uploads, ${place.name}`, { skip: place.skip }, () => {
    let stores: TestStores
    before(async () => {
      stores = await place.open()
    })
    after(() => stores.close())

    test('any sequence of requests ends in the bytes that were sent, or in a refusal that changes nothing', async () => {
      const size = fc.nat(3000)
      const step: fc.Arbitrary<Step> = fc.oneof(
        fc.record({ kind: fc.constant('append' as const), size, ranged: fc.boolean(), fail: fc.boolean() }),
        fc.record({
          kind: fc.constant('stale' as const),
          shift: fc.integer({ min: -5, max: 5 }).filter((shift) => shift !== 0),
        }),
        fc.record({ kind: fc.constant('status' as const) }),
        fc.record({ kind: fc.constant('elsewhere' as const) }),
      )
      const ending = fc.record({ size, algorithm: fc.constantFrom('sha256', 'sha512'), wrong: fc.boolean() })
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 6 }), ending, async (steps, end) =>
          runUpload(steps, end),
        ),
        { numRuns: place.name === 'in a folder' ? 150 : 15 },
      )
    })

    async function runUpload(
      steps: readonly Step[],
      end: { readonly size: number; readonly algorithm: string; readonly wrong: boolean },
    ): Promise<void> {
      let { uploads } = stores.registry
      const { id } = await uploads.open(requester, repository, undefined)
      let sent = Buffer.alloc(0)
      for (const step of steps) {
        if (step.kind === 'append') {
          const chunk = randomBytes(step.size)
          // A failing body announces one byte more than it has.
          const length = chunk.length + (step.fail ? 1 : 0)
          if (step.ranged && length === 0) continue
          const range = step.ranged ? { start: sent.length, end: sent.length + length - 1 } : undefined
          const appended = uploads.append(
            { requester, repository, id },
            bodyOf(chunk, { fail: step.fail, range }),
          )
          if (step.fail) await assert.rejects(appended, /went away/)
          else assert.equal((await appended).offset, sent.length + chunk.length)
          sent = Buffer.concat([sent, chunk])
        } else if (step.kind === 'stale') {
          const start = sent.length + step.shift
          if (start < 0) continue
          const body = bodyOf(randomBytes(10), { range: { start, end: start + 9 } })
          await assert.rejects(uploads.append({ requester, repository, id }, body), {
            code: 'RANGE_INVALID',
          })
        } else if (step.kind === 'status') {
          assert.equal((await uploads.status({ requester, repository, id }))?.offset, sent.length)
        } else {
          // Another worker knows only what is stored.
          uploads = (await otherWorker()).uploads
        }
      }
      const last = randomBytes(end.size)
      const whole = Buffer.concat([sent, last])
      const digest = parseDigest(`${end.algorithm}:${createHash(end.algorithm).update(whole).digest('hex')}`)
      const body = last.length === 0 ? undefined : bodyOf(last)
      if (end.wrong) {
        await assert.rejects(
          uploads.finish(id, { requester, repository, digest: sha256(`${digest}`) }, body),
          {
            code: 'DIGEST_INVALID',
          },
        )
        assert.equal(await uploads.status({ requester, repository, id }), undefined)
        return
      }
      await uploads.finish(id, { requester, repository, digest }, body)
      const blob = await stores.registry.blobs.open(requester, repository, digest)
      const chunks: Buffer[] = []
      for await (const chunk of blob?.stream() ?? []) chunks.push(Buffer.from(chunk))
      blob?.close()
      assert.ok(Buffer.concat(chunks).equals(whole))
      // Sent again, as by a client that has missed the reply.
      await uploads.finish(id, { requester, repository, digest }, body)
      await assert.rejects(uploads.append({ requester, repository, id }, bodyOf(last)), {
        code: 'BLOB_UPLOAD_UNKNOWN',
      })
    }

    async function otherWorker(): Promise<TestStores['registry']> {
      const { openRegistry } = await import('../../src/registry/open-registry.ts')
      const { metadata, blobs, clock } = stores
      const limits = {
        inlineLimit: 1000,
        manifestLimit: 1,
        allowMissing: false,
        allowSparseIndex: false,
        grace: 1,
      }
      const log = { debug() {}, info() {}, warn() {}, error() {} }
      return openRegistry({
        metadata,
        blobs,
        guard: undefined,
        log,
        now: clock.wall,
        newId: () => 'x',
        limits,
        untagged: () => [],
      })
    }

    test('content with another digest than announced leaves no bytes behind', async () => {
      const { uploads } = stores.registry
      const { id } = await uploads.open(requester, repository, undefined)
      const keys = async (): Promise<number> => (await Array.fromAsync(stores.blobs.list())).length
      const before = await keys()
      const finished = uploads.finish(
        id,
        { requester, repository, digest: sha256('other') },
        bodyOf(randomBytes(5000)),
      )
      await assert.rejects(finished, { code: 'DIGEST_INVALID' })
      assert.equal(await keys(), before)
    })

    test('a second writer makes the first let go, and goes on where it ended', async () => {
      const { uploads } = stores.registry
      const { id } = await uploads.open(requester, repository, undefined)
      const content = randomBytes(5000)
      let release: () => void = () => {}
      const hanging = uploads.append(
        { requester, repository, id },
        {
          length: 5000,
          onDemand: false,
          source: {
            async *[Symbol.asyncIterator]() {
              yield content.subarray(0, 2000)
              await new Promise<void>((resolve) => (release = resolve))
            },
          },
        },
      )
      await new Promise((resolve) => setTimeout(resolve, 50))
      const next = uploads.append(
        { requester, repository, id },
        bodyOf(content.subarray(2000), { range: { start: 2000, end: 4999 } }),
      )
      await assert.rejects(hanging, { code: 'BLOB_UPLOAD_INVALID' })
      assert.equal((await next).offset, 5000)
      await uploads.finish(id, { requester, repository, digest: sha256(content) }, undefined)
      release()
    })

    test('two at once with the same content both succeed, and it is stored once', async () => {
      const { uploads } = stores.registry
      const content = randomBytes(50_000)
      await Promise.all(
        [1, 2, 3].map(() =>
          uploads.single({ requester, repository, digest: sha256(content) }, bodyOf(content)),
        ),
      )
      const keys = new Set(await stores.metadata.garbage.pendingDeletes(1000))
      assert.ok(keys.size >= 2, 'the other copies wait for their deletion')
    })
  })
}
