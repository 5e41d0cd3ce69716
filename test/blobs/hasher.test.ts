import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import type { ContentHasher } from '../../src/blobs/blob-store.ts'
import { resumeHasher, startHasher, startResumableHasher } from '../../src/blobs/hasher.ts'
import type { DigestAlgorithm } from '../../src/oci/digest.ts'

function native(algorithm: DigestAlgorithm, bytes: Uint8Array): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}

for (const algorithm of ['sha256', 'sha512'] as const) {
  suite(algorithm, () => {
    test('known digests of nothing and of "abc" (FIPS 180-4)', async () => {
      const starts = {
        sha256: ['sha256:e3b0c442', 'sha256:ba7816bf'],
        sha512: ['sha512:cf83e135', 'sha512:ddaf35a1'],
      }[algorithm]
      for (const hasher of [startHasher(algorithm), await startResumableHasher(algorithm)]) {
        assert.equal(hasher.algorithm, algorithm)
        assert.equal(hasher.digest().slice(0, 15), starts[0])
        hasher.update(Buffer.from('abc'))
        assert.equal(hasher.digest().slice(0, 15), starts[1])
      }
    })

    test('chunked anyhow, asked in between, saved and resumed anywhere: equal to the native digest', async () => {
      // Sizes around the block sizes of both algorithms (64 and 128 bytes) and their padding.
      const size = fc.oneof(
        fc.nat(300),
        fc.constantFrom(55, 56, 63, 64, 65, 111, 112, 127, 128, 129),
        fc.nat(70_000),
      )
      const step = fc.record({ size, save: fc.boolean(), ask: fc.boolean() })
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
          const fast = startHasher(algorithm)
          let resumable: ContentHasher = await startResumableHasher(algorithm)
          let content: Buffer = Buffer.alloc(0)
          for (const { size: length, save, ask } of steps) {
            const chunk = randomBytes(length)
            content = Buffer.concat([content, chunk])
            fast.update(chunk)
            resumable.update(chunk)
            if (ask) assert.equal(resumable.digest(), native(algorithm, content))
            if (ask) assert.equal(fast.digest(), native(algorithm, content))
            if (!save) continue
            const state = resumable.save()
            assert.ok(state !== undefined)
            // Later updates of the old hasher must not change the saved state.
            resumable.update(Buffer.from('lost'))
            resumable = await resumeHasher(algorithm, state)
          }
          assert.equal(fast.digest(), native(algorithm, content))
          assert.equal(resumable.digest(), native(algorithm, content))
        }),
        { numRuns: 60 },
      )
    })

    test('many at once do not share a state', async () => {
      const hashers = await Promise.all(Array.from({ length: 20 }, () => startResumableHasher(algorithm)))
      const contents = hashers.map(() => randomBytes(1000))
      for (let offset = 0; offset < 1000; offset += 100) {
        for (const [index, hasher] of hashers.entries()) {
          hasher.update(contents[index]!.subarray(offset, offset + 100))
        }
      }
      for (const [index, hasher] of hashers.entries()) {
        assert.equal(hasher.digest(), native(algorithm, contents[index]!))
      }
    })

    test('all of a thread have one instance of the algorithm: a request of an upload makes none', async () => {
      await startResumableHasher(algorithm)
      const compiler = Reflect.get(globalThis, 'WebAssembly') as {
        instantiate: (...given: unknown[]) => unknown
      }
      const { instantiate } = compiler
      let made = 0
      compiler.instantiate = (...given) => {
        made++
        return instantiate(...given)
      }
      try {
        for (let request = 0; request < 100; request++) {
          const state = (await startResumableHasher(algorithm)).save()
          await resumeHasher(algorithm, state ?? Buffer.alloc(0))
        }
      } finally {
        compiler.instantiate = instantiate
      }
      assert.equal(made, 0)
    })

    test('a state that is not one, or of the other algorithm, is refused', async () => {
      const other = await startResumableHasher(algorithm === 'sha256' ? 'sha512' : 'sha256')
      const own = await startResumableHasher(algorithm)
      own.update(Buffer.from('abc'))
      const state = own.save()!
      for (const bad of [
        other.save()!,
        new Uint8Array(0),
        Buffer.from('{}'),
        state.subarray(0, -1),
        randomBytes(112),
      ]) {
        await assert.rejects(resumeHasher(algorithm, bad))
      }
    })

    test('the native one cannot be saved', () => {
      assert.equal(startHasher(algorithm).save(), undefined)
    })
  })
}
