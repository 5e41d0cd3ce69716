import { randomBytes } from 'node:crypto'
import { BlobSteps, wrongDigest } from './blob-steps.ts'
import { digestOf, type Algorithm } from './connection.ts'
import type { Suite } from './suite.ts'

/** Every way to push, read and delete a blob, under one digest algorithm. */
export async function blobCases(suite: Suite, algorithm: Algorithm): Promise<void> {
  const [, other] = suite.target.repositories
  const steps = new BlobSteps(suite)
  const elsewhere = steps.in(other)
  const fresh = (size = 2000): { content: Buffer; digest: string } => {
    const content = randomBytes(size)
    return { content, digest: digestOf(content, algorithm) }
  }
  const readBack = async ({ content, digest }: { content: Buffer; digest: string }): Promise<void> => {
    await steps.head(content, digest)
    await steps.get(content, digest)
    await steps.delete(digest)
  }
  const pushed = (
    name: string,
    push: (blob: { content: Buffer; digest: string }) => Promise<void>,
    blob = fresh(),
  ) =>
    suite.group(name, async () => {
      await push(blob)
      await readBack(blob)
    })

  await suite.group(`${algorithm} blobs`, async () => {
    await suite.group('get-missing', () => steps.missing('blob-get', fresh().digest))
    await pushed('post only', ({ content, digest }) => steps.postOnly(content, digest))
    await pushed('post+put', ({ content, digest }) => steps.postPut(content, digest))
    for (const [name, text] of [
      ['empty', ''],
      ['emptyJSON', '{}'],
    ] as const) {
      const content = Buffer.from(text)
      const blob = { content, digest: digestOf(content, algorithm) }
      await pushed(name, () => steps.postPut(content, blob.digest), blob)
    }
    for (const [name, options] of [
      ['chunked single', { parts: 1, closing: false }],
      ['chunked multi', { parts: 3, closing: false }],
      ['chunked multi and put chunk', { parts: 3, closing: true }],
    ] as const) {
      await pushed(name, ({ content, digest }) => steps.patchChunked(content, digest, options))
    }
    await pushed('chunked out-of-order', ({ content, digest }) => steps.outOfOrder(content, digest, false))
    await pushed('chunked out-of-order and put chunk', ({ content, digest }) =>
      steps.outOfOrder(content, digest, true),
    )
    await pushed('stream', ({ content, digest }) => steps.stream(content, digest), fresh(200_000))

    await suite.group('mount', async () => {
      const { content, digest } = fresh()
      await elsewhere.postPut(content, digest)
      await steps.mount('blob-mount', digest, other, [201])
      await steps.head(content, digest)
      await steps.get(content, digest)
      await steps.delete(digest)
      await elsewhere.delete(digest)
    })
    await suite.group('mount anonymous', async () => {
      const { content, digest } = fresh()
      await elsewhere.postPut(content, digest)
      if (await steps.mount('blob-mount-anonymous', digest, undefined, [201, 202])) {
        await steps.head(content, digest)
        await steps.get(content, digest)
      }
      await steps.delete(digest)
      await elsewhere.delete(digest)
    })
    await suite.group('mount missing', async () => {
      const { digest } = fresh()
      await steps.mount('blob-mount', digest, other, [202])
      await steps.missing('blob-head', digest)
      await steps.missing('blob-get', digest)
      await steps.delete(digest)
    })
    await suite.group('post cancel', async () => {
      await steps.cancel()
      await steps.delete(fresh().digest)
    })
    await suite.group('range requests', async () => {
      const { content, digest } = fresh(5000)
      await steps.postPut(content, digest)
      for (const range of ['500-1499', '500-', '-500', '2000-5000', '5000-10000', '500-0']) {
        await steps.range(range, content, digest, range)
      }
      await steps.delete(digest)
    })
    await badDigests(suite, steps, algorithm)
  })
}

async function badDigests(suite: Suite, steps: BlobSteps, algorithm: Algorithm): Promise<void> {
  const content = randomBytes(2000)
  const wrong = wrongDigest(algorithm)
  const range = `0-${content.length - 1}`
  const { connection, repositories } = suite.target
  await suite.group('bad digest', async () => {
    await steps.refused('post only', () =>
      connection.request('POST', `/v2/${repositories[0]}/blobs/uploads/?digest=${wrong}`, { body: content }),
    )
    await steps.refused('post+put', async () => steps.finish(await steps.open(), wrong, content))
    await steps.refused('chunked', async () => {
      const answer = await steps.patch(await steps.open(), content, range)
      return steps.finish(String(answer.headers.location), wrong)
    })
    await steps.refused('chunked and put chunk', async () => {
      const answer = await steps.patch(await steps.open(), content.subarray(0, 1000), '0-999')
      return steps.finish(String(answer.headers.location), wrong, content.subarray(1000), '1000-1999')
    })
    await steps.refused('stream', async () => {
      const answer = await steps.patch(await steps.open(), content)
      return steps.finish(String(answer.headers.location), wrong)
    })
  })
}
