import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { after, before, suite, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parseScopes } from '../../src/http/token-scope.ts'
import { databasePath } from '../../src/metadata/sqlite/sqlite-file.ts'
import { referrersOfTypeAfter } from '../../src/metadata/rules/statements/reads.ts'
import { parseDigest, type Digest } from '../../src/oci/digest.ts'
import { ociImageIndex, ociImageManifest } from '../../src/oci/media-types.ts'
import { referrersTag } from '../../src/oci/referrers-tag.ts'
import { parseRepositoryName, type RepositoryName } from '../../src/oci/repository-name.ts'
import { parseTag, type Reference } from '../../src/oci/tag.ts'
import type { Body } from '../../src/registry/registry.ts'
import { openStores, requester, sha256, type TestStores } from '../registry/stores.ts'
import { startedServer } from '../support/server-process.ts'
import { StatementCount } from '../support/statement-count.ts'

// The largest legal input of each route. Work is counted here; `npm run bench -- inputs` measures times.

const megabyte = 1024 * 1024
/** Statements and rows between two turns of the event loop: about 20 ms on a slow core. */
const turnLimit = 3000

suite('the largest legal inputs', { timeout: 120_000 }, () => {
  let stores: TestStores
  before(async () => void (stores = await openStores()))
  after(() => stores.close())

  let count = 0
  const newRepository = (): RepositoryName => parseRepositoryName(`attack/r${++count}`)
  const put = (name: RepositoryName, document: object, reference?: Reference): Promise<unknown> => {
    const body = Buffer.from(JSON.stringify({ schemaVersion: 2, ...document }))
    return stores.registry.manifests.put({
      requester,
      repository: name,
      reference: reference ?? sha256(body),
      tags: [],
      contentType: undefined,
      body,
    })
  }
  const counted = async (work: () => Promise<unknown>): Promise<StatementCount> => {
    const statements = StatementCount.begin()
    try {
      await work()
    } finally {
      statements.end()
    }
    return statements
  }
  const putBlobs = (name: RepositoryName, digests: readonly Digest[]): Promise<unknown> =>
    Promise.all(
      digests.map((digest) =>
        stores.metadata.putBlob({
          repository: name,
          digest,
          size: 0,
          content: { kind: 'inline', bytes: Buffer.alloc(0) },
          uploadId: undefined,
          now: 1,
        }),
      ),
    )

  test('a manifest of 10,000 layers: pushed and deleted in a few statements, none of which is long', async () => {
    const name = newRepository()
    const layers = digests(10_000)
    await putBlobs(name, layers)
    const document = image({
      layers: layers.map((each) => descriptor(each)),
      config: descriptor(layers[0] as Digest),
    })
    const pushed = await counted(() => put(name, document, parseTag('large')))
    assert.ok(pushed.statements < 100, `${pushed.statements} statements`)
    assert.ok(pushed.mostInTurn < turnLimit, `${pushed.mostInTurn} in one turn`)
    const link = await stores.metadata.findLink(name, layers[9999] as Digest)
    assert.equal(link?.unreferencedSince, undefined)

    const body = Buffer.from(JSON.stringify({ schemaVersion: 2, ...document }))
    const removed = await counted(() => stores.registry.manifests.remove(requester, name, sha256(body)))
    assert.ok(removed.statements < 250, `${removed.statements} statements`)
    assert.ok(removed.mostInTurn < turnLimit, `${removed.mostInTurn} in one turn`)
    const left = await stores.metadata.findLink(name, layers[9999] as Digest)
    assert.equal(left?.unreferencedSince, stores.clock.now)
  })

  test('of a manifest without any of its content a part is named', async () => {
    const name = newRepository()
    const document = image({ layers: digests(10_000).map((each) => descriptor(each)) })
    await assert.rejects(put(name, document, parseTag('none')), (error: { entries: unknown[] }) => {
      assert.equal(error.entries.length, 100)
      return true
    })
  })

  test('many changes at once are several transactions, and the thread goes round between them', async () => {
    const name = newRepository()
    const layers = digests(40)
    await putBlobs(name, layers)
    const pushes = Array.from({ length: 200 }, (_, index) =>
      image({ layers: layers.map((each) => descriptor(each)), annotations: { index: String(index) } }),
    )
    const statements = await counted(() => Promise.all(pushes.map((each) => put(name, each))))
    assert.ok(statements.mostInTurn < turnLimit, `${statements.mostInTurn} in one turn`)
  })

  test('of manifests that come at once a few are looked at in a turn, and large ones take turns with each other', async () => {
    const name = newRepository()
    const layers = digests(100)
    await putBlobs(name, layers)
    const { metadata } = stores
    const original = metadata.putManifest.bind(metadata)
    let turn = 0
    let most = 0
    metadata.putManifest = (...values) => {
      if (turn++ === 0) setImmediate(() => (turn = 0))
      most = Math.max(most, turn)
      return original(...values)
    }
    try {
      const push = (each: number, more = ''): Promise<unknown> =>
        put(
          name,
          image({
            layers: layers.map((layer) => descriptor(layer)),
            annotations: { each: `${each}${more}` },
          }),
        )
      await Promise.all(Array.from({ length: 256 }, (_, each) => push(each)))
      assert.ok(most <= 64, `${most} in one turn`)
      most = 0
      await Promise.all(Array.from({ length: 12 }, (_, each) => push(each, 'x'.repeat(300 * 1024))))
      // The counter may see two turns as one.
      assert.ok(most <= 2, `${most} large ones in one turn`)
    } finally {
      metadata.putManifest = original
    }
  })

  test('of small chunks of many uploads that come at once a few are taken in a turn', async () => {
    const name = newRepository()
    const { metadata, registry } = stores
    const uploads = await Promise.all(
      Array.from({ length: 256 }, () => registry.uploads.open(requester, name, undefined)),
    )
    const original = metadata.claimUpload.bind(metadata)
    let turn = 0
    let most = 0
    metadata.claimUpload = (...values) => {
      if (turn++ === 0) setImmediate(() => (turn = 0))
      most = Math.max(most, turn)
      return original(...values)
    }
    try {
      const chunk = (): Body => ({
        length: 1024,
        range: { start: 0, end: 1023 },
        onDemand: false,
        source: {
          async *[Symbol.asyncIterator]() {
            yield Buffer.alloc(1024, 'a')
          },
        },
      })
      const taken = await Promise.all(
        uploads.map(({ id }) => registry.uploads.append({ requester, repository: name, id }, chunk())),
      )
      assert.ok(taken.every(({ offset }) => offset === 1024))
      assert.ok(most <= 64, `${most} in one turn`)
    } finally {
      metadata.claimUpload = original
    }
  })

  test('more than the limits is refused in words, before it is built', async () => {
    const name = newRepository()
    const many = { length: 10_001 }
    const cases: [string, object, RegExp][] = [
      [
        'layers',
        image({ layers: Array.from(many, () => descriptor(sha256(''))) }),
        /10,000 descriptors in "layers"/,
      ],
      [
        'children',
        index(Array.from(many, () => descriptor(sha256('')))),
        /10,000 descriptors in "manifests"/,
      ],
      [
        'members',
        image({
          annotations: Object.fromEntries(Array.from({ length: 70_000 }, (_, each) => [`a${each}`, ''])),
        }),
        /40,000 members/,
      ],
      ['values', image({ unknown: Array.from({ length: 300_000 }, () => []) }), /262,144 values/],
    ]
    for (const [what, document, detail] of cases) {
      await assert.rejects(put(name, document), (error: { code: string; status: number; detail: string }) => {
        assert.equal(error.code, 'MANIFEST_TOO_LARGE', what)
        assert.equal(error.status, 413)
        assert.match(error.detail, detail)
        return true
      })
    }
  })

  test('an index under the fallback tag: neither it nor its entries are read again', async () => {
    const name = newRepository()
    const subject = sha256('the subject')
    const children: { digest: Digest }[] = []
    for (let each = 0; each < 10; each++) {
      const document = image({ artifactType: 'a/b', unknown: `${each}`.repeat(2 * megabyte) })
      await put(name, document)
      const body = JSON.stringify({ schemaVersion: 2, ...document })
      children.push(descriptor(sha256(body), ociImageManifest, body.length))
    }
    // The other children do not exist, and their media type does not require them to.
    const gone = digests(9000).map((digest) =>
      descriptor(digest, 'application/vnd.docker.image.rootfs.foreign.x'),
    )
    await put(name, index([...gone, ...children]), referrersTag(subject))
    let found: { digest: Digest }[] = []
    for (const artifactType of [undefined, 'a/b', 'none/such']) {
      const statements = await counted(async () => {
        found = await allReferrers(name, subject, artifactType)
      })
      assert.equal(statements.bodies, 0)
      assert.ok(statements.bytes < 2 * megabyte, `${statements.bytes} bytes read`)
      assert.ok(statements.mostInTurn < turnLimit, `${statements.mostInTurn} in one turn`)
      const wanted = artifactType === 'none/such' ? [] : children.map(({ digest }) => digest).sort()
      assert.deepEqual(found.map(({ digest }) => digest), wanted) // prettier-ignore
    }
  })

  test('referrers with large annotations: a page reads little more than it shows, and all pages show all', async () => {
    const name = newRepository()
    const subject = sha256('another subject')
    const pushed: Digest[] = []
    for (let each = 0; each < 8; each++) {
      const document = image({
        artifactType: 'a/b',
        subject: descriptor(subject, ociImageManifest),
        annotations: { each: `${each}`.repeat(2 * megabyte) },
      })
      await put(name, document)
      pushed.push(sha256(JSON.stringify({ schemaVersion: 2, ...document })))
    }
    for (const artifactType of [undefined, 'a/b']) {
      const statements = await counted(() =>
        stores.registry.listings.referrers(name, subject, { artifactType, after: undefined }),
      )
      assert.ok(statements.bytes < 8 * megabyte, `${statements.bytes} bytes read for one page`)
      const found = await allReferrers(name, subject, artifactType)
      assert.deepEqual(found.map(({ digest }) => digest), pushed.toSorted()) // prettier-ignore
    }
  })

  test('referrers of a type are looked up, not picked out of all', () => {
    const database = new DatabaseSync(databasePath(stores.folder), { readOnly: true })
    const plan = database.prepare(`explain query plan ${referrersOfTypeAfter.sql}`).all()
    database.close()
    assert.match(JSON.stringify(plan), /subject=\? AND artifact_type=\? AND digest>\?/)
  })

  test('a manifest with thousands of tags and referrers is deleted in turns', async () => {
    const name = newRepository()
    const document = image({ annotations: { tagged: 'often' } })
    const body = Buffer.from(JSON.stringify({ schemaVersion: 2, ...document }))
    const digest = sha256(body)
    for (let first = 0; first < 4000; first += 100) {
      const tags = Array.from({ length: 100 }, (_, each) => parseTag(`t${first + each}`))
      await stores.registry.manifests.put({
        requester,
        repository: name,
        reference: digest,
        tags,
        contentType: undefined,
        body,
      })
    }
    await Promise.all(
      Array.from({ length: 2000 }, (_, each) =>
        put(
          name,
          image({ subject: descriptor(digest, ociImageManifest), annotations: { each: String(each) } }),
        ),
      ),
    )
    const statements = await counted(() => stores.registry.manifests.remove(requester, name, digest))
    assert.ok(statements.mostInTurn < turnLimit, `${statements.mostInTurn} in one turn`)
    assert.deepEqual(
      (await stores.registry.listings.tags(name, { limit: undefined, after: undefined }))?.items,
      [],
    )
  })

  test('repositories that hold no manifest are walked in turns', async () => {
    const names = Array.from({ length: 4000 }, (_, each) => parseRepositoryName(`empty/r${each}`))
    const digest = sha256('')
    await Promise.all(names.map((name) => putBlobs(name, [digest])))
    const page = await stores.registry.listings.repositories({ limit: undefined, after: 'empty/' })
    assert.deepEqual(page.items, [])
    assert.match(page.next ?? '', /^empty\/r/)
  })

  test('a scope of nothing but brackets is read once', () => {
    const began = performance.now()
    const scopes = parseScopes([`${'('.repeat(50_000)}:a/b:pull`, 'repository(plugin):a/b:pull'])
    assert.equal(scopes[1]?.type, 'repository')
    // A generous limit for linear time; quadratic time would need many seconds.
    assert.ok(performance.now() - began < 1000)
  })

  const allReferrers = async (
    name: RepositoryName,
    subject: Digest,
    artifactType: string | undefined,
  ): Promise<{ digest: Digest }[]> => {
    const found: { digest: Digest }[] = []
    for (let after: string | undefined; ;) {
      const page = await stores.registry.listings.referrers(name, subject, { artifactType, after })
      found.push(...page.items)
      if (page.next === undefined) return found
      after = page.next
      // Each page is a request of its own.
      await nextTurn()
    }
  }
})

test(
  'long lists over HTTP: by n a page with a Link, without n all, as it is read',
  { timeout: 60_000 },
  async () => {
    const stores = await openStores()
    const name = parseRepositoryName('attack/many')
    const document = image({})
    const body = Buffer.from(JSON.stringify({ schemaVersion: 2, ...document }))
    for (let first = 0; first < 12_000; first += 100) {
      const tags = Array.from({ length: 100 }, (_, each) =>
        parseTag(`t${String(first + each).padStart(6, '0')}`),
      )
      const reference = sha256(body)
      await stores.registry.manifests.put({
        requester,
        repository: name,
        reference,
        tags,
        contentType: undefined,
        body,
      })
    }
    await stores.metadata.close()
    const server = await startedServer({ data: stores.folder })
    try {
      const page = await fetch(`${server.url}/v2/${name}/tags/list?n=1000000`)
      const { tags } = (await page.json()) as { tags: string[] }
      assert.equal(tags.length, 5000)
      assert.match(
        page.headers.get('link') ?? '',
        /<\/v2\/attack\/many\/tags\/list\?n=1000000&last=t004999>; rel="next"/,
      )
      const whole = await fetch(`${server.url}/v2/${name}/tags/list`)
      assert.equal(whole.headers.get('content-length'), null)
      const all = (await whole.json()) as { name: string; tags: string[] }
      assert.equal(all.name, name)
      assert.deepEqual(all.tags, all.tags.toSorted())
      assert.equal(new Set(all.tags).size, 12_000)
      const head = await fetch(`${server.url}/v2/${name}/tags/list`, { method: 'HEAD' })
      assert.equal(head.status, 200)
    } finally {
      await server.stop()
      await stores.blobs.close()
    }
  },
)

function digests(length: number): Digest[] {
  const salt = Math.random()
  return Array.from({ length }, (_, each) =>
    parseDigest(`sha256:${createHash('sha256').update(`${salt} ${each}`).digest('hex')}`),
  )
}

function descriptor(
  digest: Digest,
  mediaType = 'a/b',
  size = 0,
): { readonly mediaType: string; readonly digest: Digest; readonly size: number } {
  return { mediaType, digest, size }
}

/** The config has a foreign type, so that it need not be pushed. */
function image(fields: object): object {
  const config = descriptor(sha256('config'), 'application/vnd.docker.image.rootfs.foreign.config')
  return { mediaType: ociImageManifest, config, layers: [], ...fields }
}

function index(manifests: readonly object[]): object {
  return { mediaType: ociImageIndex, manifests }
}
