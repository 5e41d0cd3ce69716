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
