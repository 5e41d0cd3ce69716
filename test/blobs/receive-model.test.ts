import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import type { BlobStore, ByteSource, UploadContent } from '../../src/blobs/blob-store.ts'
import { openDiskBlobStore } from '../../src/blobs/disk/disk-blob-store.ts'
import { resumeHasher, startResumableHasher } from '../../src/blobs/hasher.ts'
import { assertSame, listAll, nothing, readAndClose, sourceOf } from './blob-store-contract.ts'

interface Request {
  readonly sizes: readonly number[]
  /** How the request ends; `forgotten`: the writer died before it could save what it held. */
  readonly end: 'whole' | 'failed' | 'aborted' | 'too long' | 'forgotten'
}

interface Upload {
  readonly inlineLimit: number
  readonly requests: readonly Request[]
}

const upload: fc.Arbitrary<Upload> = fc.record({
  inlineLimit: fc.constantFrom(0, 1, 100, 32_768, 300_000),
  requests: fc.array(
    fc.record({
      sizes: fc.array(
        fc.oneof(
          fc.nat(200),
          fc.nat(70_000),
          fc.constantFrom(65_535, 65_536, 262_143, 262_144, 262_145, 600_000),
        ),
        { maxLength: 8 },
      ),
      end: fc.constantFrom('whole', 'whole', 'failed', 'aborted', 'too long', 'forgotten'),
    }),
    { maxLength: 6 },
  ),
})

test('whatever way an upload is cut, interrupted and resumed, it holds what a list of bytes would', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'trow-blobs-'))
  // A small budget, so that both buffer sizes are used.
  const store = await openDiskBlobStore({ folder, reserve: 0, bufferBudget: 2 ** 20 })
  t.after(async () => {
    await store.close()
    rmSync(folder, { recursive: true })
  })
  await fc.assert(
    fc.asyncProperty(fc.array(upload, { minLength: 1, maxLength: 4 }), async (uploads) => {
      await Promise.all(uploads.map((each) => follow(store, each)))
      for (const { key } of await listAll(store)) await store.remove(key)
    }),
    { numRuns: 80 },
  )
})

async function follow(store: BlobStore, { inlineLimit, requests }: Upload): Promise<void> {
  let model: Buffer = Buffer.alloc(0)
  let uploaded: UploadContent = nothing
  let hasher = await startResumableHasher('sha256')
  for (const { sizes, end: asked } of requests) {
    const before = hasher.save()!
    const chunks = sizes.map((size) => randomBytes(size))
    const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    // An empty request cannot be too long.
    const end = asked === 'too long' && total === 0 ? 'whole' : asked
    const stop = new AbortController()
    const source =
      end === 'aborted'
        ? endless(chunks, stop)
        : sourceOf(chunks, end === 'failed' ? new Error(end) : undefined)
    const receiving = store.receive(
      source,
      { content: uploaded, hasher, inlineLimit, ...(end === 'too long' && { expectedBytes: total - 1 }) },
      stop.signal,
    )
    if (end === 'too long') await assert.rejects(receiving, { code: 'SIZE_INVALID' })
    else {
      const answer = await receiving
      assert.equal(answer.received, total)
      assert.equal(answer.interrupted !== undefined, end === 'failed' || end === 'aborted')
      if (end !== 'forgotten') {
        uploaded = answer.content
        model = Buffer.concat([model, ...chunks])
        assert.equal(uploaded.kind === 'inline' ? uploaded.bytes.length : uploaded.size, model.length)
        if (model.length > inlineLimit && total > 0) assert.equal(uploaded.kind, 'staged')
        continue
      }
    }
    hasher = await resumeHasher('sha256', before)
  }
  assert.equal(hasher.digest(), `sha256:${createHash('sha256').update(model).digest('hex')}`)
  if (uploaded.kind === 'inline') return assertSame(uploaded.bytes, model)
  // Bytes left by a forgotten request are cut off before the content is published.
  await store.receive(sourceOf([]), { content: uploaded, hasher, inlineLimit })
  assertSame(await readAndClose(await store.open(await store.publish(uploaded))), model)
}

async function* endless(chunks: readonly Uint8Array[], stop: AbortController): ByteSource {
  yield* sourceOf(chunks)
  stop.abort(new Error('aborted'))
  await new Promise(() => {})
}
