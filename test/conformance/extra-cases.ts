import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { BlobSteps } from './blob-steps.ts'
import { digestOf, withQuery, type Answer, type RequestOptions } from './connection.ts'
import { types } from './data-sets.ts'
import { expectError, expectStatus, header, type Suite } from './suite.ts'

/** What the official program does not check, and clients rely on. */
export async function extraCases(suite: Suite): Promise<void> {
  await suite.group('uploads', () => new ExtraCases(suite).uploads())
  await suite.group('reading', () => new ExtraCases(suite).reading())
  await suite.group('listing', () => new ExtraCases(suite).listing())
  await suite.group('manifests', () => new ExtraCases(suite).manifests())
  await suite.group('errors', () => new ExtraCases(suite).errors())
}

class ExtraCases {
  readonly #suite: Suite
  readonly #repository: string
  readonly #other: string
  readonly #steps: BlobSteps

  constructor(suite: Suite) {
    this.#suite = suite
    ;[this.#repository, this.#other] = suite.target.repositories
    this.#steps = new BlobSteps(suite)
  }

  async uploads(): Promise<void> {
    const content = randomBytes(3000)
    const digest = digestOf(content)
    await this.#leaf('a stale Location answers the status with 204 and a chunk with 416', async () => {
      const stale = await this.#steps.open()
      expectStatus(await this.#steps.patch(stale, content.subarray(0, 1000), '0-999'), 202)
      const status = await this.#ask('GET', stale)
      expectStatus(status, 204)
      assert.equal(header(status, 'range'), '0-999')
      expectStatus(await this.#steps.patch(stale, content.subarray(0, 1000), '0-999'), 416)
    })
    await this.#leaf('416 carries Location and Range', async () => {
      const location = await this.#steps.open()
      const answer = await this.#steps.patch(location, content, '500-3499')
      expectError(answer, 416)
      header(answer, 'location')
      assert.match(header(answer, 'range'), /^0-/)
    })
    await this.#leaf('an opened upload names its session', async () => {
      const answer = await this.#ask('POST', `/v2/${this.#repository}/blobs/uploads/`)
      header(answer, 'docker-upload-uuid')
      assert.equal(header(answer, 'range'), '0-0')
      assert.ok(header(answer, 'location').startsWith('/'), 'Location is not relative')
    })
    await this.#leaf('state is in the path of Location', async () => {
      const location = (await this.#steps.open()).split('?')[0] as string
      expectStatus(await this.#steps.finish(location, digest, content), 201)
    })
    await this.#leaf('uploads open without the trailing slash and with a JSON content type', async () => {
      const headers = { 'content-type': 'application/json' }
      expectStatus(await this.#ask('POST', `/v2/${this.#repository}/blobs/uploads`, { headers }), 202)
    })
    await this.#leaf('mount answers with the exact Location', async () => {
      await this.#push(this.#other, content)
      const answer = await this.#ask(
        'POST',
        `/v2/${this.#repository}/blobs/uploads/?mount=${digest}&from=${this.#other}&origin=example.com`,
      )
      expectStatus(answer, 201)
      assert.equal(header(answer, 'location'), `/v2/${this.#repository}/blobs/${digest}`)
    })
    await this.#leaf('a mount of an unknown blob without a source opens an upload', async () => {
      expectStatus(
        await this.#ask('POST', `/v2/${this.#repository}/blobs/uploads/?mount=${digestOf(randomBytes(9))}`),
        202,
      )
    })
    await this.#leaf('a mount from a malformed source opens an upload', async () => {
      expectStatus(
        await this.#ask('POST', `/v2/${this.#repository}/blobs/uploads/?mount=${digest}&from=NO%2Fname`),
        202,
      )
    })
    await this.#leaf('digest-algorithm announces sha512', async () => {
      const location = await this.#steps.open('?digest-algorithm=sha512')
      const patched = await this.#steps.patch(location, content)
      expectStatus(patched, 202)
      const long = digestOf(content, 'sha512')
      const answer = await this.#steps.finish(header(patched, 'location'), long)
      expectStatus(answer, 201)
      assert.equal(header(answer, 'docker-content-digest'), long)
    })
    await this.#leaf('an unknown digest-algorithm is refused', async () => {
      expectError(
        await this.#ask('POST', `/v2/${this.#repository}/blobs/uploads/?digest-algorithm=md5`),
        400,
        'DIGEST_INVALID',
      )
    })
    await this.#leaf('a closing PUT without a digest is refused', async () => {
      expectError(await this.#ask('PUT', await this.#steps.open(), { body: 'x' }), 400, 'DIGEST_INVALID')
    })
    await this.#leaf('a chunk whose length is not its range is refused', async () => {
      const location = await this.#steps.open()
      expectStatus(await this.#steps.patch(location, content, '0-10'), 400, 416)
    })
    await this.#leaf('after a wrong digest the upload is gone', async () => {
      const location = await this.#steps.open()
      expectError(await this.#steps.finish(location, digestOf('other'), content), 400, 'DIGEST_INVALID')
      expectStatus(await this.#ask('GET', location), 404)
    })
    await this.#leaf('two uploads of one blob at once both succeed', async () => {
      const twice = randomBytes(100_000)
      const locations = [await this.#steps.open(), await this.#steps.open()]
      const answers = await Promise.all(
        locations.map((each) => this.#steps.finish(each, digestOf(twice), twice)),
      )
      for (const answer of answers) expectStatus(answer, 201)
    })
    await this.#leaf('deleting a blob leaves other repositories alone', async () => {
      await this.#push(this.#repository, content)
      expectStatus(await this.#ask('DELETE', `/v2/${this.#repository}/blobs/${digest}`), 202)
      expectStatus(await this.#ask('HEAD', `/v2/${this.#other}/blobs/${digest}`), 200)
    })
  }

  async reading(): Promise<void> {
    const content = randomBytes(10_000)
    const digest = await this.#push(this.#repository, content)
    const path = `/v2/${this.#repository}/blobs/${digest}`
    const get = (headers: Record<string, string>): Promise<Answer> => this.#ask('GET', path, { headers })
    await this.#leaf('a blob has the headers clients need', async () => {
      const answer = await this.#ask('HEAD', path)
      assert.equal(header(answer, 'accept-ranges'), 'bytes')
      assert.equal(header(answer, 'content-type'), 'application/octet-stream')
      assert.equal(header(answer, 'docker-distribution-api-version'), 'registry/2.0')
      header(answer, 'etag')
    })
    await this.#leaf('If-None-Match answers 304', async () => {
      const etag = header(await this.#ask('HEAD', path), 'etag')
      const answer = await get({ 'if-none-match': `"other", ${etag}` })
      expectStatus(answer, 304)
      assert.equal(answer.body.length, 0)
    })
    await this.#leaf('If-Range of another entity gets everything', async () => {
      expectStatus(await get({ range: 'bytes=0-9', 'if-range': '"other"' }), 200)
    })
    await this.#leaf('If-Range of this entity gets the range', async () => {
      const etag = header(await this.#ask('HEAD', path), 'etag')
      expectStatus(await get({ range: 'bytes=0-9', 'if-range': etag }), 206)
    })
    await this.#leaf('several ranges come as multipart/byteranges', async () => {
      const answer = await get({ range: 'bytes=0-9,100-199,-5' })
      expectStatus(answer, 206)
      assert.match(header(answer, 'content-type'), /^multipart\/byteranges; boundary=/)
      assert.equal(header(answer, 'content-length'), String(answer.body.length))
      for (const [start, end] of [
        [0, 9],
        [100, 199],
        [9995, 9999],
      ] as const) {
        const mark = Buffer.from(`Content-Range: bytes ${start}-${end}/10000\r\n\r\n`)
        const at = answer.body.indexOf(mark)
        assert.ok(at > 0, `no part ${start}-${end}`)
        const from = at + mark.length
        assert.ok(answer.body.subarray(from, from + end - start + 1).equals(content.subarray(start, end + 1)))
      }
    })
    await this.#leaf('a range beyond the end is 416 with the size', async () => {
      const answer = await get({ range: 'bytes=10000-' })
      expectError(answer, 416)
      assert.equal(header(answer, 'content-range'), 'bytes */10000')
    })
    await this.#leaf('an unknown unit or a malformed range is ignored', async () => {
      expectStatus(await get({ range: 'lines=1-2' }), 200)
      expectStatus(await get({ range: 'bytes=a-b' }), 200)
    })
    await this.#leaf('a range of an empty blob is 200', async () => {
      const empty = await this.#push(this.#repository, Buffer.alloc(0))
      expectStatus(
        await this.#ask('GET', `/v2/${this.#repository}/blobs/${empty}`, { headers: { range: 'bytes=0-1' } }),
        200,
      )
    })
    await this.#leaf('nothing is compressed', async () => {
      const answer = await get({ 'accept-encoding': 'gzip, zstd' })
      assert.equal(answer.headers['content-encoding'], undefined)
      assert.ok(answer.body.equals(content))
    })
    await this.#leaf('an encoded colon in a digest is understood', async () => {
      expectStatus(await this.#ask('HEAD', path.replace('sha256:', 'sha256%3A')), 200)
    })
    await this.#leaf('a blob is unknown in a repository that has not got it', async () => {
      expectStatus(await this.#ask('HEAD', `/v2/${this.#other}/nothing/blobs/${digest}`), 404)
    })
    await this.#leaf('/v2 answers like /v2/', async () => expectStatus(await this.#ask('GET', '/v2'), 200))
  }

  async listing(): Promise<void> {
    const tags = ['10', '9', 'A', '_b', 'a', 'b.1', 'b-1'].sort(ascii)
    const repository = `${this.#other}/tags/manifests`
    const path = `/v2/${repository}/tags/list`
    const { body } = await this.#image(repository)
    for (const tag of tags) await this.#putManifest(repository, tag, body)
    const list = async (query: string): Promise<{ answer: Answer; tags: string[] }> => {
      const answer = await this.#ask('GET', `${path}${query}`)
      expectStatus(answer, 200)
      return { answer, tags: (JSON.parse(answer.body.toString()) as { tags: string[] }).tags }
    }
    await this.#leaf('all tags come in ASCII order without n', async () => {
      assert.deepEqual((await list('')).tags, tags)
    })
    await this.#leaf('n and Link page through all tags', async () => {
      const seen: string[] = []
      let next: string | undefined = '?n=3'
      while (next !== undefined) {
        const page = await list(next)
        const link = page.answer.headers['link']
        seen.push(...page.tags)
        assert.ok(page.tags.length === 3 || link === undefined, 'a short page with a Link')
        next =
          link === undefined
            ? undefined
            : (/<([^>]+)>; rel="next"/.exec(String(link))?.[1] ?? '').slice(path.length)
      }
      assert.deepEqual(seen, tags)
    })
    await this.#leaf('last is exclusive, need not exist, and works without n', async () => {
      assert.deepEqual(
        (await list('?last=A')).tags,
        tags.filter((tag) => tag > 'A'),
      )
      assert.deepEqual(
        (await list('?last=B')).tags,
        tags.filter((tag) => tag > 'B'),
      )
      assert.deepEqual((await list('?last=zzz')).tags, [])
    })
    await this.#leaf('n=0 is an empty list without Link', async () => {
      const { answer, tags: none } = await list('?n=0')
      assert.deepEqual(none, [])
      assert.equal(answer.headers['link'], undefined)
    })
    await this.#leaf('an n that is no number is refused', async () => {
      expectError(await this.#ask('GET', `${path}?n=many`), 400, 'PAGINATION_NUMBER_INVALID')
    })
    await this.#leaf('HEAD of a list', async () => {
      const answer = await this.#ask('HEAD', path)
      expectStatus(answer, 200)
      assert.ok(Number(header(answer, 'content-length')) > 0)
    })
    await this.#leaf('the catalogue lists repositories with content, in order, paged', async () => {
      const answer = await this.#ask('GET', '/v2/_catalog?n=100000')
      const { repositories } = JSON.parse(answer.body.toString()) as { repositories: string[] }
      assert.ok(repositories.includes(repository))
      assert.deepEqual(repositories, [...repositories].sort(ascii))
      const one = await this.#ask(
        'GET',
        `/v2/_catalog?n=1&last=${encodeURIComponent(`${this.#other}/tags/manifestr`)}`,
      )
      assert.deepEqual((JSON.parse(one.body.toString()) as { repositories: string[] }).repositories, [
        repository,
      ])
    })
    await this.#leaf('referrers listed under the fallback tag are found', () => this.#fallbackReferrers())
    await this.#leaf('referrers refuse a malformed digest', async () => {
      expectError(
        await this.#ask('GET', `/v2/${this.#repository}/referrers/sha256:short`),
        400,
        'DIGEST_INVALID',
      )
    })
    await this.#leaf('referrers of an unknown repository are an empty list', async () => {
      const answer = await this.#ask(
        'GET',
        `/v2/${this.#repository}/no/such/referrers/sha256:${'0'.repeat(64)}`,
      )
      expectStatus(answer, 200)
      assert.deepEqual((JSON.parse(answer.body.toString()) as { manifests: unknown[] }).manifests, [])
    })
  }

  async manifests(): Promise<void> {
    const image = await this.#image(this.#repository)
    const { digest } = image
    await this.#leaf('Accept does not choose', async () => {
      await this.#putManifest(this.#repository, 'accept', image.body)
      const headers = { accept: 'application/vnd.docker.distribution.manifest.v2+json' }
      const answer = await this.#ask('GET', `/v2/${this.#repository}/manifests/accept`, { headers })
      expectStatus(answer, 200)
      assert.equal(header(answer, 'docker-content-digest'), digest)
    })
    await this.#leaf('a manifest is also a blob', async () => {
      const answer = await this.#ask('GET', `/v2/${this.#repository}/blobs/${digest}`)
      expectStatus(answer, 200)
      assert.equal(answer.body.toString(), image.body)
    })
    await this.#leaf('If-None-Match of a manifest answers 304', async () => {
      const headers = { 'if-none-match': `"${digest}"` }
      expectStatus(await this.#ask('GET', `/v2/${this.#repository}/manifests/accept`, { headers }), 304)
    })
    await this.#leaf('a moved tag is read at once', async () => {
      for (let round = 0; round < 20; round++) {
        const next = await this.#image(this.#repository)
        await this.#putManifest(this.#repository, 'moving', next.body)
        const answer = await this.#ask('HEAD', `/v2/${this.#repository}/manifests/moving`)
        assert.equal(header(answer, 'docker-content-digest'), next.digest)
      }
    })
    await this.#leaf('deleting by digest takes the tags along', async () => {
      const { body, digest: gone } = await this.#image(this.#repository)
      await this.#putManifest(this.#repository, 'gone', body)
      expectStatus(await this.#ask('DELETE', `/v2/${this.#repository}/manifests/${gone}`), 202)
      expectStatus(await this.#ask('HEAD', `/v2/${this.#repository}/manifests/gone`), 404)
    })
    await this.#leaf('deleting a tag leaves the manifest', async () => {
      const { body, digest: kept } = await this.#image(this.#repository)
      await this.#putManifest(this.#repository, 'loose', body)
      expectStatus(await this.#ask('DELETE', `/v2/${this.#repository}/manifests/loose`), 202)
      expectStatus(await this.#ask('HEAD', `/v2/${this.#repository}/manifests/${kept}`), 200)
    })
    await this.#leaf('a sha512 push to a tag keeps the sha512 digest', async () => {
      const long = digestOf(image.body, 'sha512')
      await this.#putManifest(this.#repository, `${long}?tag=long`, image.body)
      const answer = await this.#ask('HEAD', `/v2/${this.#repository}/manifests/long`)
      assert.equal(header(answer, 'docker-content-digest'), long)
    })
    await this.#leaf('docker schema 2 and lists are taken', async () => {
      const config = await this.#push(this.#repository, Buffer.from('{"docker":true}'))
      const mediaType = 'application/vnd.docker.distribution.manifest.v2+json'
      const body = JSON.stringify({
        schemaVersion: 2,
        mediaType,
        config: { mediaType: 'application/vnd.docker.container.image.v1+json', size: 15, digest: config },
        layers: [],
      })
      await this.#putManifest(this.#repository, 'docker', body, mediaType)
      const list = 'application/vnd.docker.distribution.manifest.list.v2+json'
      const index = {
        schemaVersion: 2,
        mediaType: list,
        manifests: [{ mediaType, size: body.length, digest: digestOf(body) }],
      }
      await this.#putManifest(this.#repository, 'docker-list', JSON.stringify(index), list)
    })
    await this.#leaf('an index may list blobs (BuildKit cache)', async () => {
      const blob = await this.#push(this.#repository, randomBytes(50))
      const manifests = [{ mediaType: 'application/vnd.buildkit.cacheconfig.v0', size: 50, digest: blob }]
      await this.#putManifest(
        this.#repository,
        'cache',
        JSON.stringify({ schemaVersion: 2, mediaType: types.index, manifests }),
        types.index,
      )
    })
  }

  async errors(): Promise<void> {
    const image = await this.#image(this.#repository)
    const document = JSON.parse(image.body) as Record<string, unknown>
    const put = (body: string | Buffer, type: string = types.image, reference = 'bad'): Promise<Answer> =>
      this.#ask('PUT', `/v2/${this.#repository}/manifests/${reference}`, {
        body,
        headers: { 'content-type': type },
      })
    const refused = (
      name: string,
      run: () => Promise<Answer>,
      status: number,
      ...codes: string[]
    ): Promise<void> => this.#leaf(name, async () => expectError(await run(), status, ...codes))
    await refused('not JSON', () => put('{'), 400, 'MANIFEST_INVALID')
    await refused('not UTF-8', () => put(Buffer.from([0x7b, 0xff, 0x7d])), 400, 'MANIFEST_INVALID')
    await refused(
      'a name twice',
      () => put(image.body.replace('{', '{"schemaVersion":2,')),
      400,
      'MANIFEST_INVALID',
    )
    await refused('deep JSON', () => put(`${'['.repeat(100_000)}`), 400, 'MANIFEST_INVALID')
    await refused(
      'another Content-Type than the document says',
      () => put(image.body, types.index),
      400,
      'MANIFEST_INVALID',
    )
    await refused(
      'layers in an index',
      () => put(JSON.stringify({ ...document, mediaType: types.index, manifests: [] }), types.index),
      400,
      'MANIFEST_INVALID',
    )
    await refused(
      'manifests in an image',
      () => put(JSON.stringify({ ...document, manifests: [] })),
      400,
      'MANIFEST_INVALID',
    )
    await refused(
      'schema 1',
      () => put('{"schemaVersion":1}', 'application/vnd.docker.distribution.manifest.v1+json'),
      400,
      'MANIFEST_INVALID',
    )
    await refused(
      'an unknown manifest type',
      () => put('{"schemaVersion":2}', 'text/plain'),
      400,
      'MANIFEST_INVALID',
    )
    await this.#leaf('every missing blob is named', async () => {
      const layers = [1, 2].map(() => ({ mediaType: types.layer, size: 3, digest: digestOf(randomBytes(5)) }))
      const answer = await put(JSON.stringify({ ...document, layers }))
      expectError(answer, 400, 'MANIFEST_BLOB_UNKNOWN')
      const { errors } = JSON.parse(answer.body.toString()) as { errors: unknown[] }
      assert.equal(errors.length, 2)
      for (const { digest } of layers) assert.ok(answer.body.includes(digest), `${digest} is not named`)
    })
    await refused('over 4 MiB', () => put(Buffer.alloc(4 * 1024 * 1024 + 1, 0x20)), 413)
    await refused('a tag that is none', () => put(image.body, types.image, '-bad'), 400, 'TAG_INVALID')
    await refused('a name that is none', () => this.#ask('GET', '/v2/UPPER/tags/list'), 400, 'NAME_INVALID')
    await refused('dots in a name', () => this.#ask('GET', '/v2/a..b/manifests/latest'), 400, 'NAME_INVALID')
    await refused(
      '?tag= with a push by tag',
      () => put(image.body, types.image, 'one?tag=two'),
      400,
      'TAG_INVALID',
    )
    await refused(
      'a bad ?tag=',
      () => put(image.body, types.image, `${image.digest}?tag=.x`),
      400,
      'TAG_INVALID',
    )
    await refused('a path that is none', () => this.#ask('GET', '/v3/'), 404)
    await this.#leaf('a method that is not allowed', async () => {
      const answer = await this.#ask('POST', `/v2/${this.#repository}/tags/list`)
      expectError(answer, 405, 'UNSUPPORTED')
      assert.match(header(answer, 'allow'), /GET/)
    })
  }

  async #fallbackReferrers(): Promise<void> {
    const subject = digestOf(randomBytes(8))
    const artifact = await this.#image(this.#repository, {
      artifactType: 'application/vnd.example.old',
      annotations: { old: 'yes' },
    })
    await this.#putManifest(this.#repository, artifact.digest, artifact.body)
    const manifests = [{ mediaType: types.image, size: artifact.body.length, digest: artifact.digest }]
    const index = JSON.stringify({ schemaVersion: 2, mediaType: types.index, manifests })
    await this.#putManifest(this.#repository, subject.replace(':', '-'), index, types.index)
    const answer = await this.#ask(
      'GET',
      `/v2/${this.#repository}/referrers/${subject}?artifactType=application/vnd.example.old`,
    )
    const found = (JSON.parse(answer.body.toString()) as { manifests: Record<string, unknown>[] }).manifests
    assert.equal(found.length, 1)
    assert.equal(found[0]?.['artifactType'], 'application/vnd.example.old')
    assert.deepEqual(found[0]?.['annotations'], { old: 'yes' })
  }

  async #image(repository: string, extra: object = {}): Promise<{ body: string; digest: string }> {
    const content = randomBytes(40)
    const config = {
      mediaType: types.config,
      size: content.length,
      digest: await this.#push(repository, content),
    }
    const body = JSON.stringify({ schemaVersion: 2, mediaType: types.image, config, layers: [], ...extra })
    return { body, digest: digestOf(body) }
  }

  async #putManifest(
    repository: string,
    reference: string,
    body: string,
    type: string = types.image,
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

function ascii(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
