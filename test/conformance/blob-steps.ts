import assert from 'node:assert/strict'
import { digestOf, withQuery, type Algorithm, type Answer } from './connection.ts'
import { expectStatus, header, Skipped, type Suite } from './suite.ts'

/** The single steps from which the blob cases are made; each is one leaf. */
export class BlobSteps {
  readonly #suite: Suite
  readonly #repository: string

  constructor(suite: Suite, repository = suite.target.repositories[0]) {
    this.#suite = suite
    this.#repository = repository
  }

  in(repository: string): BlobSteps {
    return new BlobSteps(this.#suite, repository)
  }

  path(digest: string): string {
    return `/v2/${this.#repository}/blobs/${digest}`
  }

  async open(query = ''): Promise<string> {
    const answer = await this.#request('POST', `/v2/${this.#repository}/blobs/uploads/${query}`)
    expectStatus(answer, 202)
    return header(answer, 'location')
  }

  async finish(
    location: string,
    digest: string,
    body: Uint8Array = Buffer.alloc(0),
    range?: string,
  ): Promise<Answer> {
    return this.#request('PUT', withQuery(location, `digest=${encodeURIComponent(digest)}`), {
      body,
      headers: {
        'content-type': 'application/octet-stream',
        ...(range === undefined ? {} : { 'content-range': range }),
      },
    })
  }

  patch(location: string, body: Uint8Array, range?: string): Promise<Answer> {
    return this.#request('PATCH', location, {
      body,
      chunked: range === undefined,
      headers: {
        'content-type': 'application/octet-stream',
        ...(range === undefined ? {} : { 'content-range': range }),
      },
    })
  }

  postOnly(content: Uint8Array, digest: string): Promise<void> {
    return this.#suite.leaf('blob-post-only', async () => {
      const answer = await this.#request('POST', `/v2/${this.#repository}/blobs/uploads/?digest=${digest}`, {
        body: content,
      })
      if (answer.status === 202) throw new Skipped('single POST uploads are not supported')
      await this.#created(answer, digest, content)
    })
  }

  postPut(content: Uint8Array, digest: string): Promise<void> {
    return this.#suite.leaf('blob-post-put', async () => {
      await this.#created(await this.finish(await this.open(), digest, content), digest, content)
    })
  }

  /** In `parts` chunks; the last in the closing PUT when `closing`. */
  patchChunked(
    content: Uint8Array,
    digest: string,
    { parts, closing }: { parts: number; closing: boolean },
  ): Promise<void> {
    return this.#suite.leaf('blob-patch-chunked', async () => {
      let location = await this.open()
      const size = Math.ceil(content.length / parts)
      for (let start = 0, part = 1; part <= parts; part++, start += size) {
        const chunk = content.subarray(start, start + size)
        const range = `${start}-${start + chunk.length - 1}`
        if (part === parts && closing)
          return this.#created(await this.finish(location, digest, chunk, range), digest, content)
        const answer = await this.patch(location, chunk, range)
        expectStatus(answer, 202)
        assert.equal(header(answer, 'range'), `0-${start + chunk.length - 1}`)
        location = header(answer, 'location')
      }
      await this.#created(await this.finish(location, digest), digest, content)
    })
  }

  outOfOrder(content: Uint8Array, digest: string, closing: boolean): Promise<void> {
    return this.#suite.leaf('blob-patch-chunked', async () => {
      let location = await this.open()
      const half = content.length >> 1
      const [first, second] = [content.subarray(0, half), content.subarray(half)]
      const ranges = [`0-${half - 1}`, `${half}-${content.length - 1}`] as const
      const early = closing
        ? await this.finish(location, digest, second, ranges[1])
        : await this.patch(location, second, ranges[1])
      expectStatus(early, 416)
      const status = await this.#request('GET', location)
      expectStatus(status, 204)
      assert.match(header(status, 'range'), /^0-/)
      location = header(status, 'location')
      const stored = await this.patch(location, first, ranges[0])
      expectStatus(stored, 202)
      const again = await this.patch(header(stored, 'location'), first, ranges[0])
      expectStatus(again, 416)
      const after = await this.#request('GET', location)
      assert.equal(header(after, 'range'), ranges[0])
      if (closing) {
        return this.#created(
          await this.finish(header(after, 'location'), digest, second, ranges[1]),
          digest,
          content,
        )
      }
      const last = await this.patch(header(after, 'location'), second, ranges[1])
      expectStatus(last, 202)
      await this.#created(await this.finish(header(last, 'location'), digest), digest, content)
    })
  }

  stream(content: Uint8Array, digest: string): Promise<void> {
    return this.#suite.leaf('blob-patch-stream', async () => {
      const answer = await this.patch(await this.open(), content)
      expectStatus(answer, 202)
      assert.equal(header(answer, 'range'), `0-${content.length - 1}`)
      await this.#created(await this.finish(header(answer, 'location'), digest), digest, content)
    })
  }

  /** Resolves with whether it was mounted. */
  async mount(
    name: string,
    digest: string,
    from: string | undefined,
    expected: readonly number[],
  ): Promise<boolean> {
    let mounted = false
    await this.#suite.leaf(name, async () => {
      const source = from === undefined ? '' : `&from=${encodeURIComponent(from)}`
      const answer = await this.#request(
        'POST',
        `/v2/${this.#repository}/blobs/uploads/?mount=${digest}${source}`,
      )
      expectStatus(answer, ...expected)
      const location = header(answer, 'location')
      mounted = answer.status === 201
      if (mounted) assert.equal(new URL(location, 'http://any').pathname, this.path(digest))
      else if (from === undefined) throw new Skipped('mounting without a source is not supported')
      else expectStatus(await this.#request('DELETE', location), 204, 202)
    })
    return mounted
  }

  cancel(): Promise<void> {
    return this.#suite.leaf('blob-post-cancel', async () => {
      const location = await this.open()
      expectStatus(await this.#request('DELETE', location), 204)
      expectStatus(await this.#request('GET', location), 404)
    })
  }

  head(content: Uint8Array, digest: string): Promise<void> {
    return this.#suite.leaf('blob-head', async () => {
      const answer = await this.#request('HEAD', this.path(digest))
      expectStatus(answer, 200)
      assert.equal(header(answer, 'content-length'), String(content.length))
      assert.equal(header(answer, 'docker-content-digest'), digest)
    })
  }

  get(content: Uint8Array, digest: string): Promise<void> {
    return this.#suite.leaf('blob-get', async () => {
      const answer = await this.#request('GET', this.path(digest))
      expectStatus(answer, 200)
      assert.equal(header(answer, 'content-length'), String(content.length))
      assert.equal(header(answer, 'docker-content-digest'), digest)
      assert.ok(answer.body.equals(content), 'other bytes')
    })
  }

  missing(name: 'blob-head' | 'blob-get', digest: string): Promise<void> {
    return this.#suite.leaf(name, async () => {
      expectStatus(await this.#request(name === 'blob-head' ? 'HEAD' : 'GET', this.path(digest)), 404)
    })
  }

  delete(digest: string): Promise<void> {
    return this.#suite.leaf('blob-delete', async () => {
      const answer = await this.#request('DELETE', this.path(digest))
      expectStatus(answer, 202, 404, 405)
      if (answer.status === 202) expectStatus(await this.#request('HEAD', this.path(digest)), 404)
    })
  }

  range(name: string, content: Uint8Array, digest: string, range: string): Promise<void> {
    return this.#suite.leaf(`range ${name}`, async () => {
      const answer = await this.#request('GET', this.path(digest), { headers: { range: `bytes=${range}` } })
      const [start = '', end = ''] = range.split('-')
      const first = start === '' ? content.length - Number(end) : Number(start)
      const last = start === '' || end === '' ? content.length - 1 : Math.min(Number(end), content.length - 1)
      if (first >= content.length || last < first) return expectStatus(answer, 416)
      if (answer.status === 200) throw new Skipped('ranges are ignored')
      expectStatus(answer, 206)
      assert.equal(header(answer, 'content-range'), `bytes ${first}-${last}/${content.length}`)
      assert.ok(answer.body.equals(content.subarray(first, last + 1)), 'other bytes')
    })
  }

  refused(name: string, run: () => Promise<Answer>): Promise<void> {
    return this.#suite.leaf(name, async () => expectStatus(await run(), 400))
  }

  async #created(answer: Answer, digest: string, content: Uint8Array): Promise<void> {
    expectStatus(answer, 201)
    const given = answer.headers['docker-content-digest']
    if (given !== undefined) assert.equal(given, digest)
    const got = await this.#request('GET', header(answer, 'location'))
    expectStatus(got, 200)
    assert.ok(got.body.equals(content), 'other bytes under the Location')
  }

  #request(...values: Parameters<Suite['target']['connection']['request']>): Promise<Answer> {
    return this.#suite.target.connection.request(...values)
  }
}

export function wrongDigest(algorithm: Algorithm): string {
  return digestOf('something else', algorithm)
}
