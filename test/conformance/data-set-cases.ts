import assert from 'node:assert/strict'
import { BlobSteps } from './blob-steps.ts'
import { digestOf, type Answer } from './connection.ts'
import { badDigestImage, dataSets, types, type DataSet, type ManifestContent } from './data-sets.ts'
import { expectStatus, header, Skipped, type Suite } from './suite.ts'

/** Push, list, read, refer and delete whole images, indexes and artifacts. */
export async function dataSetCases(suite: Suite): Promise<void> {
  for (const set of dataSets()) {
    if (set.sparse === true && !suite.target.sparse) continue
    await suite.group(set.name, () => new DataSetRun(suite, set).run())
  }
  await suite.group('bad-digest-image', () => runBadDigest(suite, badDigestImage()))
}

class DataSetRun {
  readonly #suite: Suite
  readonly #set: DataSet
  readonly #steps: BlobSteps
  readonly #repository: string

  constructor(suite: Suite, set: DataSet) {
    this.#suite = suite
    this.#set = set
    this.#steps = new BlobSteps(suite)
    this.#repository = suite.target.repositories[0]
  }

  async run(): Promise<void> {
    const { blobs, manifests, tags, subject } = this.#set
    await this.#suite.group('push', () => this.#push())
    await this.#suite.leaf('tag-list', () => this.#listTags())
    for (const [phase, method] of [
      ['head', 'HEAD'],
      ['pull', 'GET'],
    ] as const) {
      await this.#suite.group(phase, async () => {
        for (const { bytes, digest } of blobs) {
          await (method === 'HEAD' ? this.#steps.head(bytes, digest) : this.#steps.get(bytes, digest))
        }
        for (const manifest of manifests)
          await this.#read(method, 'manifest-by-digest', manifest.digest, manifest)
        for (const [tag, manifest] of tags) await this.#read(method, 'manifest-by-tag', tag, manifest)
      })
    }
    if (subject !== undefined) await this.#suite.leaf('referrers', () => this.#listReferrers(subject))
    await this.#suite.group('delete', () => this.#delete())
  }

  async #push(): Promise<void> {
    const { blobs, manifests, tags, tagParameter } = this.#set
    for (const { bytes, digest } of blobs) await this.#steps.postPut(bytes, digest)
    for (const manifest of manifests) {
      const query =
        manifest === tagParameter ? `?${[...tags.keys()].map((tag) => `tag=${tag}`).join('&')}` : ''
      await this.#suite.leaf('manifest-by-digest', async () => {
        const answer = await this.#put(`${manifest.digest}${query}`, manifest)
        if (query === '') return
        const accepted = header(answer, 'oci-tag').split(/,\s*/)
        assert.deepEqual(new Set(accepted), new Set(tags.keys()))
      })
    }
    if (tagParameter !== undefined) return
    for (const [tag, manifest] of tags) {
      await this.#suite.leaf('manifest-by-tag', async () => void (await this.#put(tag, manifest)))
    }
  }

  async #put(reference: string, manifest: ManifestContent): Promise<Answer> {
    const answer = await this.#request('PUT', reference, {
      body: manifest.bytes,
      headers: { 'content-type': manifest.mediaType },
    })
    expectStatus(answer, 201)
    assert.equal(header(answer, 'docker-content-digest'), manifest.digest)
    if (manifest.subject !== undefined) assert.equal(header(answer, 'oci-subject'), manifest.subject)
    const got = await this.#suite.target.connection.request('GET', header(answer, 'location'))
    assert.ok(got.body.equals(manifest.bytes), 'other bytes under the Location')
    return answer
  }

  #read(method: 'HEAD' | 'GET', name: string, reference: string, manifest: ManifestContent): Promise<void> {
    return this.#suite.leaf(name, async () => {
      const answer = await this.#request(method, reference, {
        headers: { accept: [types.index, types.image] },
      })
      expectStatus(answer, 200)
      assert.equal(header(answer, 'content-type'), manifest.mediaType)
      assert.equal(header(answer, 'content-length'), String(manifest.bytes.length))
      assert.equal(header(answer, 'docker-content-digest'), manifest.digest)
      if (method === 'GET') assert.ok(answer.body.equals(manifest.bytes), 'other bytes')
    })
  }

  async #listTags(): Promise<void> {
    const { connection } = this.#suite.target
    const answer = await connection.request('GET', `/v2/${this.#repository}/tags/list`)
    if (answer.status === 404) return assert.equal(this.#set.tags.size, 0)
    expectStatus(answer, 200)
    const { tags } = JSON.parse(answer.body.toString()) as { tags: string[] }
    assert.deepEqual(tags, [...tags].sort(ascii))
    for (const tag of this.#set.tags.keys()) assert.ok(tags.includes(tag), `${tag} is not listed`)
  }

  async #listReferrers(subject: string): Promise<void> {
    const referrers = this.#set.manifests.filter((manifest) => manifest.subject === subject)
    await this.#expectReferrers(subject, undefined, referrers)
    for (const artifactType of new Set(referrers.map((each) => each.artifactType ?? ''))) {
      const matching = referrers.filter((each) => each.artifactType === artifactType)
      await this.#expectReferrers(subject, artifactType, matching)
    }
  }

  async #expectReferrers(
    subject: string,
    artifactType: string | undefined,
    expected: readonly ManifestContent[],
  ): Promise<void> {
    const query = artifactType === undefined ? '' : `?artifactType=${encodeURIComponent(artifactType)}`
    const answer = await this.#suite.target.connection.request(
      'GET',
      `/v2/${this.#repository}/referrers/${subject}${query}`,
    )
    expectStatus(answer, 200)
    assert.equal(header(answer, 'content-type'), types.index)
    const index = JSON.parse(answer.body.toString()) as {
      schemaVersion: number
      mediaType: string
      manifests: object[]
    }
    assert.equal(index.schemaVersion, 2)
    assert.equal(index.mediaType, types.index)
    if (artifactType !== undefined) assert.equal(header(answer, 'oci-filters-applied'), 'artifactType')
    const wanted = expected.map(({ mediaType, digest, bytes, artifactType: type, annotations }) => ({
      mediaType,
      digest,
      size: bytes.length,
      ...(type === undefined ? {} : { artifactType: type }),
      annotations,
    }))
    const byDigest = (a: object, b: object): number =>
      ascii((a as { digest: string }).digest, (b as { digest: string }).digest)
    assert.deepEqual(index.manifests.sort(byDigest), wanted.sort(byDigest))
  }

  async #delete(): Promise<void> {
    const { blobs, manifests, tags } = this.#set
    for (const tag of tags.keys()) await this.#remove('tag-delete', tag)
    for (const { digest } of manifests.toReversed()) await this.#remove('manifest-delete', digest)
    for (const { digest } of blobs) await this.#steps.delete(digest)
  }

  #remove(name: string, reference: string): Promise<void> {
    return this.#suite.leaf(name, async () => {
      const answer = await this.#request('DELETE', reference)
      if (answer.status === 405 || answer.status === 400) throw new Skipped('deletion is not supported')
      expectStatus(answer, 202, 404)
      expectStatus(await this.#request('HEAD', reference), 404)
    })
  }

  #request(
    method: string,
    reference: string,
    options: Parameters<Suite['target']['connection']['request']>[2] = {},
  ): Promise<Answer> {
    return this.#suite.target.connection.request(
      method,
      `/v2/${this.#repository}/manifests/${reference}`,
      options,
    )
  }
}

async function runBadDigest(suite: Suite, { blobs, manifests }: DataSet): Promise<void> {
  const steps = new BlobSteps(suite)
  const { connection, repositories } = suite.target
  const wrong = digestOf('another manifest')
  const path = `/v2/${repositories[0]}/manifests/${wrong}`
  await suite.group('push', async () => {
    for (const { bytes, digest } of blobs) await steps.postPut(bytes, digest)
    await suite.leaf('manifest-by-digest', async () => {
      const [manifest] = manifests
      const headers = { 'content-type': types.image }
      expectStatus(await connection.request('PUT', path, { headers, body: manifest?.bytes ?? '' }), 400)
    })
  })
  await suite.leaf('tag-list', async () => {
    expectStatus(await connection.request('GET', `/v2/${repositories[0]}/tags/list`), 200, 404)
  })
  await suite.group('head', async () => {
    for (const { bytes, digest } of blobs) await steps.head(bytes, digest)
  })
  await suite.group('pull', async () => {
    for (const { bytes, digest } of blobs) await steps.get(bytes, digest)
  })
  await suite.group('delete', async () => {
    await suite.leaf('manifest-delete', async () =>
      expectStatus(await connection.request('DELETE', path), 404),
    )
    for (const { digest } of blobs) await steps.delete(digest)
  })
}

export function ascii(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
