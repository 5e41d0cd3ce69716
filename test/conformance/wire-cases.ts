import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { BlobSteps } from './blob-steps.ts'
import { digestOf, withQuery, type Answer, type RequestOptions } from './connection.ts'
import { types } from './data-sets.ts'
import { expectError, expectStatus, header, type Suite } from './suite.ts'

/** Requests that are sent again, content that others need, and numbers and names as clients write them. */
export async function wireCases(suite: Suite): Promise<void> {
  await suite.group('sent again', () => new WireCases(suite).sentAgain())
  await suite.group('in use', () => new WireCases(suite).inUse())
  await suite.group('written otherwise', () => new WireCases(suite).writtenOtherwise())
}

class WireCases {
  readonly #suite: Suite
  readonly #repository: string
  readonly #other: string
  readonly #steps: BlobSteps

  constructor(suite: Suite) {
    this.#suite = suite
    ;[this.#repository, this.#other] = suite.target.repositories
    this.#steps = new BlobSteps(suite)
  }

  async sentAgain(): Promise<void> {
    const content = randomBytes(3000)
    const digest = digestOf(content)
    await this.#leaf('a closing PUT that is sent again is answered alike', async () => {
      const location = await this.#steps.open()
      for (const body of [content, content, Buffer.alloc(0)]) {
        const answer = await this.#steps.finish(location, digest, body)
        expectStatus(answer, 201)
        assert.equal(header(answer, 'location'), `/v2/${this.#repository}/blobs/${digest}`)
      }
    })
    await this.#leaf('one for a blob that is not there is refused', async () => {
      const location = await this.#steps.open()
      expectStatus(await this.#steps.finish(location, digest, content), 201)
      const other = randomBytes(3000)
      expectError(await this.#steps.finish(location, digestOf(other), other), 404, 'BLOB_UPLOAD_UNKNOWN')
    })
    await this.#leaf('a closing PUT whose range does not fit: 416, and the upload goes on', async () => {
      const location = await this.#steps.open()
      expectStatus(await this.#steps.patch(location, content.subarray(0, 1000), '0-999'), 202)
      const whole = await this.#steps.finish(location, digest, content, '0-2999')
      expectError(whole, 416)
      assert.equal(header(whole, 'range'), '0-999')
      header(whole, 'location')
      expectStatus(await this.#steps.finish(location, digest, content.subarray(1000), '1000-2999'), 201)
    })
    await this.#leaf(
      'a streamed chunk whose length is not its range is refused, and nothing is kept',
      async () => {
        const location = await this.#steps.open()
        for (const range of ['0-9', '0-3999']) {
          const answer = await this.#ask('PATCH', location, {
            body: content,
            chunked: true,
            headers: { 'content-range': range },
          })
          expectError(answer, 400, 'SIZE_INVALID')
        }
        expectStatus(await this.#steps.patch(location, content, '0-2999'), 202)
      },
    )
  }

  async inUse(): Promise<void> {
    const image = await this.#image(this.#repository)
    const needed = await this.#image(this.#repository)
    const remove = (digest: string, repository = this.#repository): Promise<Answer> =>
      this.#ask('DELETE', `/v2/${repository}/manifests/${digest}`)
    const keptFor = async (answer: Answer, parent: string): Promise<void> => {
      expectError(answer, 405, 'UNSUPPORTED')
      assert.ok(answer.body.includes(parent), `${parent} is not named`)
    }
    await this.#leaf('a child of an index is deleted after it', async () => {
      const manifests = [{ mediaType: types.image, size: image.body.length, digest: image.digest }]
      const index = JSON.stringify({ schemaVersion: 2, mediaType: types.index, manifests })
      await this.#put(image.digest, image.body)
      await this.#put('in-use', index, types.index)
      await keptFor(await remove(image.digest), digestOf(index))
      expectStatus(await this.#ask('HEAD', `/v2/${this.#repository}/manifests/${image.digest}`), 200)
      expectStatus(await remove('in-use'), 202)
      await keptFor(await remove(image.digest), digestOf(index))
      expectStatus(await remove(digestOf(index)), 202)
      expectStatus(await remove(image.digest), 202)
    })
    await this.#leaf('a manifest that another has as a layer is deleted after it', async () => {
      await this.#put('needed', needed.body)
      expectStatus(await this.#ask('HEAD', `/v2/${this.#repository}/blobs/${needed.digest}`), 200)
      const layers = [{ mediaType: types.image, size: needed.body.length, digest: needed.digest }]
      const parent = await this.#image(this.#repository, { layers })
      await this.#put('parent', parent.body)
      await keptFor(await remove(needed.digest), parent.digest)
      expectStatus(await remove('needed'), 202)
      expectStatus(await this.#ask('GET', `/v2/${this.#repository}/blobs/${needed.digest}`), 200)
      expectStatus(await remove(parent.digest), 202)
      expectStatus(await remove(needed.digest), 202)
    })
    await this.#leaf('a blob that a manifest has is deleted after it', async () => {
      const { body, digest, config } = await this.#image(this.#repository)
      await this.#put('with-config', body)
      await keptFor(await this.#ask('DELETE', `/v2/${this.#repository}/blobs/${config}`), digest)
      expectStatus(await remove(digest), 202)
      expectStatus(await this.#ask('DELETE', `/v2/${this.#repository}/blobs/${config}`), 202)
    })
    await this.#leaf('what one repository needs is deleted in another', async () => {
      const there = await this.#image(this.#other)
      await this.#put(there.digest, there.body, types.image, this.#other)
      await this.#push(this.#repository, Buffer.from(there.content))
      const manifests = [{ mediaType: types.image, size: there.body.length, digest: there.digest }]
      const index = JSON.stringify({ schemaVersion: 2, mediaType: types.index, manifests })
      await this.#put(there.digest, there.body)
      await this.#put('elsewhere', index, types.index)
      expectStatus(await remove(there.digest, this.#other), 202)
      expectStatus(await remove(digestOf(index)), 202)
    })
  }

  async writtenOtherwise(): Promise<void> {
    const layer = await this.#push(this.#repository, randomBytes(30))
    const described = { mediaType: types.layer, size: 30, digest: layer }
    const put = (reference: string, body: string, type: string): Promise<Answer> =>
      this.#ask('PUT', `/v2/${this.#repository}/manifests/${reference}`, {
        body,
        headers: { 'content-type': type },
      })
    await this.#leaf('a layer with another size than the blob has is refused', async () => {
      const wrong = await this.#image(this.#repository, { layers: [{ ...described, size: 31 }] })
      const answer = await put('sizes', wrong.body, types.image)
      expectError(answer, 400, 'SIZE_INVALID')
      assert.ok(answer.body.includes(layer), 'the layer is not named')
      const right = await this.#image(this.#repository, { layers: [described] })
      expectStatus(await put('sizes', right.body, types.image), 201)
    })
    await this.#leaf('a child with another size than the manifest has is refused', async () => {
      const { body, digest } = await this.#image(this.#repository)
      await this.#put(digest, body)
      const index = (size: number): string =>
        JSON.stringify({
          schemaVersion: 2,
          mediaType: types.index,
          manifests: [{ mediaType: types.image, size, digest }],
        })
      expectError(await put('sizes', index(body.length + 1), types.index), 400, 'SIZE_INVALID')
      expectStatus(await put('sizes', index(body.length), types.index), 201)
    })
    await this.#leaf('media types are compared without case', async () => {
      const { body, digest } = await this.#image(this.#repository)
      expectStatus(await put('case', body, types.image.toUpperCase()), 201)
      const answer = await this.#ask('GET', `/v2/${this.#repository}/manifests/${digest}`)
      assert.equal(header(answer, 'content-type'), types.image)
      assert.equal(answer.body.toString(), body)
    })
    await this.#leaf('an n of many digits is all of them', async () => {
      for (const n of ['1234567890', '9'.repeat(400), '0000000000001']) {
        const answer = await this.#ask('GET', `/v2/${this.#repository}/tags/list?n=${n}`)
        expectStatus(answer, 200)
        const { tags } = JSON.parse(answer.body.toString()) as { tags: string[] }
        assert.ok(n.endsWith('1') ? tags.length === 1 : tags.includes('case'))
      }
      for (const n of ['-1', '1.5', '1e3', '0x10', ' 1', '+1'])
        expectError(
          await this.#ask('GET', `/v2/${this.#repository}/tags/list?n=${encodeURIComponent(n)}`),
          400,
          'PAGINATION_NUMBER_INVALID',
        )
    })
    await this.#leaf('a range whose end has many digits ends with the blob', async () => {
      const headers = { range: 'bytes=10-99999999999999999999' }
      const answer = await this.#ask('GET', `/v2/${this.#repository}/blobs/${layer}`, { headers })
      expectStatus(answer, 206)
      assert.equal(header(answer, 'content-range'), 'bytes 10-29/30')
    })
    await this.#leaf('a chunk beyond every blob is out of order', async () => {
      const location = await this.#steps.open()
      expectError(
        await this.#steps.patch(location, Buffer.alloc(10), '9999999999999990-9999999999999999'),
        416,
      )
    })
    await this.#leaf(
      'artifactType is taken letter by letter, but for case, and an empty one filters nothing',
      () => this.#artifactTypes(),
    )
  }

  async #artifactTypes(): Promise<void> {
    const subject = await this.#image(this.#repository)
    const named = ['application/vnd.x+json', 'application/vnd.x json', 'application/vnd.y']
    for (const artifactType of named) {
      const of = { mediaType: types.image, size: subject.body.length, digest: subject.digest }
      const { body, digest } = await this.#image(this.#repository, { artifactType, subject: of })
      await this.#put(digest, body)
    }
    const list = async (query: string): Promise<{ found: string[]; filtered: boolean }> => {
      const answer = await this.#ask('GET', `/v2/${this.#repository}/referrers/${subject.digest}${query}`)
      expectStatus(answer, 200)
      const { manifests } = JSON.parse(answer.body.toString()) as { manifests: { artifactType?: string }[] }
      return {
        found: manifests.map(({ artifactType }) => artifactType ?? 'none').toSorted(),
        filtered: answer.headers['oci-filters-applied'] === 'artifactType',
      }
    }
    const [plus, blank] = named
    for (const [query, expected] of [
      ['application/vnd.x+json', plus],
      ['application%2Fvnd.x%2Bjson', plus],
      ['Application/Vnd.X+JSON', plus],
      ['application/vnd.x%20json', blank],
    ]) {
      assert.deepEqual(await list(`?artifactType=${query}`), { found: [expected], filtered: true })
    }
    for (const query of ['', '?artifactType=', '?artifactType']) {
      assert.deepEqual(await list(query), { found: named.toSorted(), filtered: false })
    }
  }

  async #image(
    repository: string,
    extra: object = {},
  ): Promise<{ body: string; digest: string; config: string; content: Buffer }> {
    const content = randomBytes(40)
    const digest = await this.#push(repository, content)
    const config = { mediaType: types.config, size: content.length, digest }
    const body = JSON.stringify({ schemaVersion: 2, mediaType: types.image, config, layers: [], ...extra })
    return { body, digest: digestOf(body), config: digest, content }
  }

  async #put(
    reference: string,
    body: string,
    type: string = types.image,
    repository = this.#repository,
  ): Promise<void> {
    const headers = { 'content-type': type }
    expectStatus(await this.#ask('PUT', `/v2/${repository}/manifests/${reference}`, { body, headers }), 201)
  }

  async #push(repository: string, content: Buffer): Promise<string> {
    const digest = digestOf(content)
    const opened = await this.#ask('POST', `/v2/${repository}/blobs/uploads/`)
    const location = withQuery(header(opened, 'location'), `digest=${digest}`)
    expectStatus(await this.#ask('PUT', location, { body: content }), 201)
    return digest
  }

  #leaf(name: string, run: () => Promise<void>): Promise<void> {
    return this.#suite.leaf(name, run)
  }

  #ask(method: string, path: string, options?: RequestOptions): Promise<Answer> {
    return this.#suite.target.connection.request(method, path, options)
  }
}
