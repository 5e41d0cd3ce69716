import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DataKey } from '../../src/blobs/blob-store.ts'
import type { GarbageStep, LeaseTerm } from '../../src/metadata/garbage-store.ts'
import { isLeaseLost } from '../../src/metadata/lease-lost.ts'
import type { InventoryManifest } from '../../src/metadata/inventory-store.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import type { ManifestReference, NewManifest } from '../../src/metadata/records.ts'
import { parseDigest, type Digest } from '../../src/oci/digest.ts'
import { ociImageIndex } from '../../src/oci/media-types.ts'
import { parseRepositoryName, type RepositoryName } from '../../src/oci/repository-name.ts'
import { parseTag, type Tag } from '../../src/oci/tag.ts'

export interface OpenedStore {
  readonly store: MetadataStore
  /** A second view of the same store, as another worker would have. */
  readonly other: MetadataStore
  close(): Promise<void>
}

export interface OpenStore {
  (): Promise<OpenedStore>
  /** Leases go by the engine's clock, not by the callers'. */
  readonly ownClock?: boolean
}

export function digestOf(text: string): Digest {
  return parseDigest(`sha256:${createHash('sha256').update(text).digest('hex')}`)
}

export function manifestOf(
  repository: RepositoryName,
  text: string,
  extra: Partial<NewManifest> & { readonly now: number },
): NewManifest {
  return {
    repository,
    digest: digestOf(text),
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    artifactType: undefined,
    body: Buffer.from(text),
    annotations: undefined,
    subject: undefined,
    references: [],
    tags: [],
    pusher: undefined,
    allowMissing: false,
    allowSparseIndex: false,
    ...extra,
  }
}

const layer = (text: string): ManifestReference => ({
  digest: digestOf(text),
  size: text.length,
  kind: 'layer',
  required: true,
})
const child = (text: string): ManifestReference => ({
  digest: digestOf(text),
  size: text.length,
  kind: 'manifest',
  required: true,
})
const tag = (text: string): Tag => parseTag(text)

/** Opens stores before the tests of the calling suite, passes them to `take`, and closes them afterwards. */
export function openAround(open: () => Promise<OpenedStore>, take: (opened: OpenedStore) => void): void {
  let opened: OpenedStore
  before(async () => {
    opened = await open()
    take(opened)
  })
  after(() => opened.close())
}

/** Returns unused repository names below `prefix`. */
export function repositoryNames(prefix: string): () => RepositoryName {
  let count = 0
  return () => parseRepositoryName(`${prefix}/r${++count}`)
}

/** The contract of every metadata store. */
export function metadataStoreContract(name: string, open: OpenStore): void {
  suite(`${name} keeps the contract of metadata stores`, () => {
    let store: MetadataStore
    let other: MetadataStore
    let count = 0
    openAround(open, (opened) => ({ store, other } = opened))

    const newRepository = (): RepositoryName => parseRepositoryName(`contract/r${++count}`)
    const putBlob = (repository: RepositoryName, text: string, now = 1): Promise<void> =>
      store.putBlob({
        repository,
        digest: digestOf(text),
        size: text.length,
        content: { kind: 'inline', bytes: Buffer.from(text) },
        uploadId: undefined,
        now,
      })
    const step = (now: number, age: number, dryRun = false): GarbageStep => ({
      before: now - age,
      now,
      limit: 1000,
      dryRun,
    })

    test('a blob is known only where it is linked', async () => {
      const [here, there] = [newRepository(), newRepository()]
      await putBlob(here, 'blob')
      const found = await other.findBlob(here, digestOf('blob'))
      assert.equal(found?.size, 4)
      assert.deepEqual(found?.content, { kind: 'inline', bytes: new Uint8Array(Buffer.from('blob')) })
      assert.equal(await other.findBlob(there, digestOf('blob')), undefined)
      assert.equal(
        await store.mountBlob({ digest: digestOf('blob'), to: there, from: [newRepository()], now: 2 }),
        false,
      )
      assert.equal(await store.mountBlob({ digest: digestOf('blob'), to: there, from: [here], now: 2 }), true)
      assert.equal((await other.findBlob(there, digestOf('blob')))?.size, 4)
      assert.equal(
        await store.mountBlob({ digest: digestOf('none'), to: there, from: undefined, now: 2 }),
        false,
      )
    })

    test('a link says at once what changed about it, in every store', async () => {
      const repository = newRepository()
      const digest = digestOf('linked')
      const seen = async (): Promise<unknown> => {
        const link = await other.findLink(repository, digest)
        const blob = await other.findBlob(repository, digest)
        assert.equal(link?.unreferencedSince, blob?.unreferencedSince)
        assert.equal(link?.size, blob?.size)
        return link && { ...link }
      }
      assert.equal(await seen(), undefined)
      await putBlob(repository, 'linked', 1)
      assert.deepEqual(await seen(), { digest, size: 6, unreferencedSince: 1 })
      await store.touchBlob({ repository, digest, now: 5 })
      assert.deepEqual(await seen(), { digest, size: 6, unreferencedSince: 5 })
      await store.putManifest(manifestOf(repository, 'm', { references: [layer('linked')], now: 6 }))
      assert.deepEqual(await seen(), { digest, size: 6, unreferencedSince: undefined })
      await store.deleteManifest({ repository, digest: digestOf('m'), now: 7 })
      assert.deepEqual(await seen(), { digest, size: 6, unreferencedSince: 7 })
      await store.unlinkBlob({ repository, digest, now: 8 })
      assert.equal(await seen(), undefined)
    })

    test('the second content of a digest goes to the pending deletions', async () => {
      const repository = newRepository()
      const put = (key: string): Promise<void> =>
        store.putBlob({
          repository,
          digest: digestOf('twice'),
          size: 5,
          content: { kind: 'stored', key: key as DataKey },
          uploadId: undefined,
          now: 1,
        })
      await put('a'.repeat(32))
      await put('b'.repeat(32))
      assert.deepEqual((await store.findBlob(repository, digestOf('twice')))?.content, {
        kind: 'stored',
        key: 'a'.repeat(32),
      })
      const pending = await store.garbage.pendingDeletes(100)
      assert.ok(pending.includes('b'.repeat(32) as DataKey) && !pending.includes('a'.repeat(32) as DataKey))
      // By the engine's clock.
      assert.deepEqual(await store.garbage.pendingDeletes(100, Date.now() - 60_000), [])
      assert.deepEqual(await store.garbage.pendingDeletes(100, Date.now() + 60_000), pending)
      await store.garbage.forgetPendingDeletes({ keys: pending })
      assert.deepEqual(await store.garbage.pendingDeletes(100), [])
    })

    test('a manifest needs its content, and says what is missing', async () => {
      const repository = newRepository()
      const references = [
        layer('missing layer'),
        child('missing child'),
        { ...layer('foreign'), required: false },
      ]
      const refused = await store.putManifest(manifestOf(repository, 'm', { references, now: 1 }))
      assert.deepEqual(refused, { kind: 'missing', missing: references.slice(0, 2) })
      assert.equal(await store.findManifest(repository, digestOf('m')), undefined)
      // Missing layers and missing children are permitted separately.
      const put = (allowMissing: boolean, allowSparseIndex: boolean) =>
        store.putManifest(manifestOf(repository, 'm', { references, allowMissing, allowSparseIndex, now: 1 }))
      assert.deepEqual(await put(true, false), { kind: 'missing', missing: references.slice(1, 2) })
      assert.deepEqual(await put(false, true), { kind: 'missing', missing: references.slice(0, 1) })
      assert.deepEqual(await put(true, true), { kind: 'stored' })
      const unknown = newRepository()
      await store.putManifest(manifestOf(unknown, 'm', { references, now: 1 }))
      assert.equal(await other.hasRepository(unknown), false, 'a refused manifest makes no repository')
    })

    test('a manifest that names content with another size is not stored', async () => {
      const repository = newRepository()
      await putBlob(repository, 'layer')
      await store.putManifest(manifestOf(repository, 'child', { now: 1 }))
      const wrong = [
        { ...layer('layer'), size: 6 },
        { ...layer('layer'), size: 4, required: false },
        { ...child('child'), size: 0 },
        { ...layer('child'), size: 9 },
      ]
      for (const reference of wrong) {
        const refused = await store.putManifest(
          manifestOf(repository, 'm', { references: [reference], allowMissing: true, now: 1 }),
        )
        assert.deepEqual(refused, { kind: 'other-size', others: [{ reference, size: 5 }] })
      }
      assert.equal(await store.findManifest(repository, digestOf('m')), undefined)
      const references = [layer('layer'), child('child')]
      assert.equal(
        (await store.putManifest(manifestOf(repository, 'm', { references, now: 1 }))).kind,
        'stored',
      )
    })

    test('the same bytes pushed as another media type are that for every tag, on every worker', async () => {
      const repository = newRepository()
      await store.putManifest(manifestOf(repository, 'm', { tags: [tag('a')], now: 1 }))
      await other.findManifest(repository, tag('a'))
      await store.putManifest(manifestOf(repository, 'm', { mediaType: 'application/other', now: 2 }))
      assert.equal((await other.findManifest(repository, tag('a')))?.mediaType, 'application/other')
    })

    test('tags move together, and every worker sees it at once', async () => {
      const repository = newRepository()
      await store.putManifest(manifestOf(repository, 'one', { tags: [tag('a'), tag('b')], now: 1 }))
      for (let round = 0; round < 50; round++) {
        const text = `round ${round}`
        await store.putManifest(manifestOf(repository, text, { tags: [tag('a')], now: 2 }))
        assert.equal((await other.findManifest(repository, tag('a')))?.digest, digestOf(text))
      }
      assert.equal((await other.findManifest(repository, tag('b')))?.digest, digestOf('one'))
      assert.deepEqual(await other.listTags(repository, { limit: 10 }), {
        items: ['a', 'b'],
        next: undefined,
      })
      assert.deepEqual(await other.listTags(repository, { limit: 1 }), { items: ['a'], next: 'a' })
      assert.deepEqual(await other.listTags(repository, { limit: 1, after: 'a' }), {
        items: ['b'],
        next: undefined,
      })
      assert.equal(await other.listTags(newRepository(), { limit: 1 }), undefined)
    })

    test('every worker lists a tag from its push on, and no longer after its deletion', async () => {
      const repository = newRepository()
      const listed = async (): Promise<readonly string[] | undefined> =>
        (await other.listTags(repository, { limit: 10 }))?.items
      const body = manifestOf(repository, 'm', { now: 1 })
      await store.putManifest({ ...body, tags: [tag('a')] })
      assert.deepEqual(await listed(), ['a'])
      await store.putManifest({ ...body, tags: [tag('b'), tag('c')] })
      assert.deepEqual(await listed(), ['a', 'b', 'c'])
      await store.deleteTag({ repository, tag: tag('b'), now: 2 })
      assert.deepEqual(await listed(), ['a', 'c'])
      await store.deleteManifest({ repository, digest: body.digest, now: 3 })
      assert.deepEqual(await listed(), [])
    })

    test('deleting a manifest takes its tags, deleting a tag leaves it', async () => {
      const repository = newRepository()
      await store.putManifest(manifestOf(repository, 'm', { tags: [tag('a'), tag('b')], now: 1 }))
      assert.ok(await other.findManifest(repository, tag('a')))
      assert.equal(await store.deleteTag({ repository, tag: tag('a'), now: 2 }), true)
      assert.equal(await store.deleteTag({ repository, tag: tag('a'), now: 2 }), false)
      assert.equal(await other.findManifest(repository, tag('a')), undefined)
      assert.ok(await other.findManifest(repository, digestOf('m')))
      assert.deepEqual(await store.deleteManifest({ repository, digest: digestOf('m'), now: 3 }), {
        kind: 'removed',
      })
      assert.equal(await other.findManifest(repository, tag('b')), undefined)
      assert.deepEqual(await store.deleteManifest({ repository, digest: digestOf('m'), now: 3 }), {
        kind: 'unknown',
      })
      assert.deepEqual(
        await store.deleteManifest({ repository: newRepository(), digest: digestOf('m'), now: 3 }),
        { kind: 'unknown' },
      )
    })

    for (const kind of ['config', 'layer', 'blob', 'manifest'] as const) {
      test(`a manifest that another one needs as a ${kind} cannot be deleted, a tag of it can`, async () => {
        const [repository, elsewhere] = [newRepository(), newRepository()]
        const references = [{ digest: digestOf('needed'), size: 'needed'.length, kind, required: true }]
        for (const name of [repository, elsewhere])
          await store.putManifest(manifestOf(name, 'needed', { tags: [tag('t')], now: 1 }))
        await store.putManifest(manifestOf(repository, 'parent', { references, now: 1 }))
        const remove = (name: RepositoryName, text: string) =>
          store.deleteManifest({ repository: name, digest: digestOf(text), now: 2 })
        assert.deepEqual(await remove(repository, 'needed'), {
          kind: 'in-use',
          manifest: digestOf('parent'),
        })
        assert.ok(await other.findManifest(repository, tag('t')))
        assert.equal(await store.deleteTag({ repository, tag: tag('t'), now: 2 }), true)
        // Untagged for a long time, but another manifest refers to it.
        const gone = await store.garbage.expireUntagged({ ...step(1_000_000, 10), repository })
        assert.deepEqual(
          gone.items.map(({ subject }) => subject),
          [digestOf('parent')],
        )
        assert.deepEqual(await remove(repository, 'needed'), { kind: 'removed' })
        assert.deepEqual(await remove(elsewhere, 'needed'), { kind: 'removed' })
      })
    }

    test('a subject is not in use by its referrers', async () => {
      const repository = newRepository()
      await store.putManifest(manifestOf(repository, 'subject', { now: 1 }))
      await store.putManifest(manifestOf(repository, 'referrer', { subject: digestOf('subject'), now: 1 }))
      assert.deepEqual(await store.deleteManifest({ repository, digest: digestOf('subject'), now: 2 }), {
        kind: 'removed',
      })
    })

    test('a damaged manifest can be taken out of use', async () => {
      const repository = newRepository()
      await store.putManifest(manifestOf(repository, 'damaged', { now: 1 }))
      await store.putManifest(
        manifestOf(repository, 'index', { references: [child('damaged')], tags: [tag('t')], now: 1 }),
      )
      assert.equal(await store.inventory.dropManifest(repository, digestOf('damaged'), 2), true)
      assert.equal(await store.inventory.dropManifest(repository, digestOf('damaged'), 2), false)
      const missing = (await Array.fromAsync(pagesOf(store))).find(
        (manifest) => manifest.repository === repository,
      )?.missing
      assert.deepEqual(missing, [digestOf('damaged')])
      // A blob with the same bytes does not count as the manifest.
      await putBlob(repository, 'damaged')
      const still = (await Array.fromAsync(pagesOf(store))).find(
        (manifest) => manifest.repository === repository,
      )?.missing
      assert.deepEqual(still, [digestOf('damaged')])
    })

    test('a blob that a manifest needs cannot be unlinked', async () => {
      const repository = newRepository()
      await putBlob(repository, 'needed')
      await store.putManifest(manifestOf(repository, 'm', { references: [layer('needed')], now: 1 }))
      const kept = await store.unlinkBlob({ repository, digest: digestOf('needed'), now: 2 })
      assert.deepEqual(kept, { kind: 'in-use', manifest: digestOf('m') })
      await store.deleteManifest({ repository, digest: digestOf('m'), now: 3 })
      assert.deepEqual(await store.unlinkBlob({ repository, digest: digestOf('needed'), now: 4 }), {
        kind: 'removed',
      })
      assert.deepEqual(await store.unlinkBlob({ repository, digest: digestOf('needed'), now: 4 }), {
        kind: 'unknown',
      })
      assert.equal(await other.findBlob(repository, digestOf('needed')), undefined)
    })

    test('referrers by subject, by type, paged', async () => {
      const repository = newRepository()
      const subject = digestOf('subject')
      const bytes = 1e6
      for (const [text, artifactType] of [
        ['r1', 'x/a'],
        ['r2', 'x/b'],
        ['r3', 'x/a'],
      ] as const) {
        // prettier-ignore
        await store.putManifest(manifestOf(repository, text, { subject, artifactType, annotations: JSON.stringify({ text }), now: 1 }))
      }
      const all = await other.listReferrers(repository, subject, { bytes, limit: 10 })
      assert.deepEqual(all.items.map(({ digest }) => digest), ['r1', 'r2', 'r3'].map(digestOf).sort()) // prettier-ignore
      const typed = await other.listReferrers(repository, subject, { bytes, limit: 10, artifactType: 'X/b' })
      assert.deepEqual(typed.items.map(({ annotations }) => annotations), ['{"text":"r2"}']) // prettier-ignore
      const first = await other.listReferrers(repository, subject, { bytes, limit: 2 })
      const rest = await other.listReferrers(repository, subject, {
        bytes,
        limit: 2,
        after: first.next ?? '',
      })
      assert.deepEqual([...first.items, ...rest.items], all.items)
      // A page holds at least one item, whatever its size.
      const small = await other.listReferrers(repository, subject, { bytes: 1, limit: 10 })
      assert.deepEqual(small, { items: all.items.slice(0, 1), next: all.items[0]?.digest })
      assert.deepEqual((await other.listReferrers(newRepository(), subject, { bytes, limit: 1 })).items, [])
    })

    test('what an index under a tag lists, as far as it is there, by digest, by type, paged', async () => {
      const repository = newRepository()
      const [bytes, listing] = [1e6, tag('listing')]
      for (const [text, artifactType] of Object.entries({ i1: 'x/a', i2: 'x/b', i3: 'x/a' })) {
        await store.putManifest(
          manifestOf(repository, text, { artifactType, annotations: '{"a":"b"}', now: 1 }),
        )
      }
      const entries = ['i1', 'gone', 'i2', 'i3']
      const references = entries.map(child)
      const index = manifestOf(repository, 'index', {
        references,
        tags: [listing],
        allowSparseIndex: true,
        now: 1,
      })
      await store.putManifest({ ...index, mediaType: ociImageIndex })
      const all = await other.listIndexed(repository, listing, { bytes, limit: 10 })
      assert.deepEqual(all.items.map(({ digest }) => digest), ['i1', 'i2', 'i3'].map(digestOf).sort()) // prettier-ignore
      assert.equal(all.items[0]?.annotations, '{"a":"b"}')
      const typed = await other.listIndexed(repository, listing, { bytes, limit: 10, artifactType: 'X/B' })
      assert.deepEqual(
        typed.items.map(({ digest }) => digest),
        [digestOf('i2')],
      )
      // Missing manifests count towards the size of a page.
      const pages = []
      for (let after: string | undefined; pages.length < 9;) {
        const page = await other.listIndexed(repository, listing, { bytes, limit: 1, after })
        pages.push(page.items)
        if (page.next === undefined) break
        after = page.next
      }
      assert.equal(pages.length, 4)
      assert.deepEqual(pages.flat(), all.items)
      await store.putManifest({ ...index, now: 2 })
      assert.deepEqual((await other.listIndexed(repository, listing, { bytes, limit: 1 })).items, [])
    })

    test('what a repository holds is counted: shared content once, what no manifest needs not at all', async () => {
      const [repository, elsewhere] = [newRepository(), newRepository()]
      assert.equal(await other.inventory.figures(repository), undefined)
      for (const text of ['shared layer', 'own', 'unused']) await putBlob(repository, text)
      await putBlob(elsewhere, 'shared layer')
      const references = [layer('shared layer')]
      // More tags than are read at once.
      const tags = Array.from({ length: 5001 }, (_, index) => tag(`t${index}`))
      await store.putManifest(manifestOf(repository, 'first', { references, tags, now: 5 }))
      const second = { references: [...references, layer('own')], tags: [tag('z')], now: 7 }
      await store.putManifest(manifestOf(repository, 'second', second))
      await store.putManifest(manifestOf(repository, 'untagged', { now: 6 }))
      assert.deepEqual(await other.inventory.figures(repository), {
        tags: 5002,
        manifests: 3,
        bytes: ['first', 'second', 'untagged', 'shared layer', 'own'].join('').length,
        pushedAt: 7,
      })
      const again = { references, tags: [tag('t0')], now: 9 }
      await store.putManifest(manifestOf(repository, 'first', again))
      assert.equal((await other.inventory.figures(repository))?.pushedAt, 9)
      const [empty] = [newRepository()]
      await putBlob(empty, 'unused')
      assert.deepEqual(await other.inventory.figures(empty), {
        tags: 0,
        manifests: 0,
        bytes: 0,
        pushedAt: 0,
      })
    })

    test('repositories without a manifest are looked at, and left out', async () => {
      const names = ['list/a', 'list/b', 'list/c'].map((name) =>
        parseRepositoryName(`${newRepository()}/${name}`),
      )
      const [first, middle, last] = names as [RepositoryName, RepositoryName, RepositoryName]
      for (const name of [first, last]) await store.putManifest(manifestOf(name, 'm', { now: 1 }))
      await putBlob(middle, 'unused')
      const before = first.slice(0, -1)
      const one = await other.listRepositories({ after: first, limit: 1 })
      assert.deepEqual(one, { items: [], next: middle })
      const all = await other.listRepositories({ after: before, limit: 1000 })
      assert.deepEqual(all.items.filter((name) => names.includes(name)), [first, last]) // prettier-ignore
    })

    test('an upload is written by one at a time, who is asked to let go', async () => {
      const repository = newRepository()
      const upload = { id: `upload-${count}`, repository, algorithm: 'sha256' as const, now: 1 }
      await store.createUpload(upload)
      let asked = 0
      const first = await store.claimUpload(repository, upload.id, () => asked++)
      const second = other.claimUpload(repository, upload.id, () => {})
      // The look-up of the upload may be slow while other tests flush the disk.
      for (let waited = 0; waited === 0 || (asked === 0 && waited < 10_000); waited += 50)
        await new Promise((resolve) => setTimeout(resolve, 50))
      assert.equal(asked, 1)
      const uploaded = { kind: 'inline' as const, bytes: Buffer.from('abc') }
      await first?.save({
        content: uploaded,
        hashState: Buffer.from('state'),
        digest: digestOf('abc'),
        cutFrom: 2,
        now: 2,
      })
      await first?.release()
      const claim = await second
      assert.equal(
        Buffer.from(claim?.upload.content.kind === 'inline' ? claim.upload.content.bytes : []).toString(),
        'abc',
      )
      assert.equal(claim?.upload.digest, digestOf('abc'))
      assert.equal(claim?.upload.cutFrom, 2)
      await claim?.release()
      assert.equal(await store.claimUpload(repository, 'none', () => {}), undefined)
      assert.equal(await store.cancelUpload(repository, upload.id), true)
      assert.equal(await other.findUpload(repository, upload.id), undefined)
    })

    test('an upload is found as soon as it was opened, wherever one looks, and cancelled or ended there', async () => {
      const repository = newRepository()
      const opened = async (): Promise<string> => {
        const id = `at-once-${++count}`
        await store.createUpload({ id, repository, algorithm: 'sha256', now: 1 })
        return id
      }
      const [found, claimed, cancelled, ended] = [
        await opened(),
        await opened(),
        await opened(),
        await opened(),
      ]
      assert.equal((await other.findUpload(repository, found))?.id, found)
      await (await other.claimUpload(repository, claimed, () => {}))?.release()
      assert.equal(await other.cancelUpload(repository, cancelled), true)
      assert.equal(await store.cancelUpload(repository, cancelled), false)
      const bytes = Buffer.from('at once')
      const blob = {
        repository,
        digest: digestOf('at once'),
        size: 7,
        content: { kind: 'inline', bytes },
        now: 2,
      } as const
      assert.equal(await other.findUpload(newRepository(), ended), undefined)
      assert.equal(await other.putWholeBlob({ ...blob, uploadId: ended }), true)
      assert.equal(await store.findUpload(repository, ended), undefined)
      assert.ok(await store.findBlob(repository, blob.digest))
    })

    test('whole content in one step only where the upload holds nothing and nobody writes to it', async () => {
      const repository = newRepository()
      const bytes = Buffer.from('whole')
      const content = { kind: 'inline', bytes } as const
      const put = (id: string, name = repository): Promise<boolean> =>
        store.putWholeBlob({
          repository: name,
          digest: digestOf('whole'),
          size: 5,
          content,
          uploadId: id,
          now: 2,
        })
      const id = `whole-${++count}`
      await store.createUpload({ id, repository, algorithm: 'sha256', now: 1 })
      assert.equal(await put(id, newRepository()), false, 'of another repository')
      const claim = await other.claimUpload(repository, id, () => {})
      assert.equal(await put(id), false, 'claimed')
      await claim?.save({
        content: { kind: 'inline', bytes },
        hashState: undefined,
        digest: undefined,
        cutFrom: undefined,
        now: 2,
      })
      await claim?.release()
      assert.equal(await put(id), false, 'not empty')
      assert.equal(await store.findBlob(repository, digestOf('whole')), undefined)
      await store.createUpload({ id: `${id}-more`, repository, algorithm: 'sha256', now: 1 })
      assert.equal(await put(`${id}-more`), true)
      assert.equal(await put(`${id}-more`), false, 'ended')
      assert.equal(await put('never-opened'), false)
    })

    test('a blob whose upload is cancelled while it ends is not acknowledged', async () => {
      const repository = newRepository()
      const id = `cancelled-${count}`
      const key = 'c'.repeat(32) as DataKey
      await store.createUpload({ id, repository, algorithm: 'sha256', now: 1 })
      const claim = await store.claimUpload(repository, id, () => {})
      const uploaded = { kind: 'staged' as const, key, size: 9, parts: '{"of": "the blob store"}' }
      await claim?.save({
        content: uploaded,
        hashState: undefined,
        digest: undefined,
        cutFrom: undefined,
        now: 2,
      })
      assert.deepEqual((await other.findUpload(repository, id))?.content, uploaded)
      assert.equal(await other.cancelUpload(repository, id), true)
      const blob = { repository, digest: digestOf('cancelled'), size: 9, uploadId: id, now: 3 }
      const put = store.putBlob({ ...blob, content: { kind: 'stored', key } })
      await assert.rejects(put, { name: 'OciError', code: 'BLOB_UPLOAD_UNKNOWN' })
      assert.equal(await other.findBlob(repository, digestOf('cancelled')), undefined)
      const pending = await store.garbage.pendingDeletes(100)
      assert.ok(pending.includes(key))
      await store.garbage.forgetPendingDeletes({ keys: pending })
    })

    test('bytes that a blob has never become a pending deletion', async () => {
      const repository = newRepository()
      const id = `kept-${count}`
      const key = 'd'.repeat(32) as DataKey
      await store.createUpload({ id, repository, algorithm: 'sha256', now: 1 })
      const claim = await store.claimUpload(repository, id, () => {})
      const uploaded = { kind: 'staged' as const, key, size: 4 }
      const blob = { repository, digest: digestOf('kept'), size: 4, uploadId: id, now: 3 }
      await store.putBlob({ ...blob, content: { kind: 'stored', key } })
      // A request does this if its worker learns late that the upload has ended.
      await claim?.save({
        content: uploaded,
        hashState: undefined,
        digest: undefined,
        cutFrom: undefined,
        now: 4,
      })
      assert.deepEqual(await store.garbage.pendingDeletes(100), [])
    })

    test('garbage: paged, and of one instant, everything is met once', async () => {
      const { garbage } = store
      const texts = Array.from({ length: 7 }, (_, index) => `page ${count} ${index}`)
      const mine = new Set<string>(texts.map(digestOf))
      const repositories = [newRepository(), newRepository()]
      for (const text of texts) for (const repository of repositories) await putBlob(repository, text, 5000)
      const all = async (
        run: (step: GarbageStep) => ReturnType<typeof garbage.markBlobs>,
        base: GarbageStep,
      ): Promise<number> => {
        let found = 0
        for (let after: string | undefined; ;) {
          const page = await run({ ...base, limit: 2, ...(after === undefined ? {} : { after }) })
          assert.ok(page.items.length <= 2)
          found += page.items.filter(({ subject }) => mine.has(subject)).length
          if (page.next === undefined) return found
          after = page.next
        }
      }
      for (const dryRun of [true, false]) {
        assert.equal(await all((each) => garbage.unlinkUnreferenced(each), step(6000, 100, dryRun)), 14)
      }
      for (const dryRun of [true, false]) {
        assert.equal(await all((each) => garbage.markBlobs(each), step(6001, 0, dryRun)), 7)
      }
      for (const dryRun of [true, false]) {
        assert.equal(await all((each) => garbage.deleteMarked(each), step(6002, 0, dryRun)), 7)
      }
      const upload = { id: 'an-upload', repository: newRepository(), algorithm: 'sha256', now: 1 } as const
      await store.createUpload(upload)
      assert.ok(await other.findUpload(upload.repository, upload.id), 'known to who looks for it')
      const empty = new Set<string>()
      for (let after: string | undefined; ;) {
        const base = { ...step(7000, 100), limit: 2 }
        const page = await garbage.dropEmptyRepositories(after === undefined ? base : { ...base, after })
        for (const { subject } of page.items) empty.add(subject)
        if (page.next === undefined) break
        after = page.next
      }
      assert.ok(repositories.every((repository) => empty.has(repository)))
      assert.equal(
        await store.hasRepository(parseRepositoryName(`contract/r${count}`)),
        true,
        'an upload keeps',
      )
    })

    test('a repository that was dropped has no list of tags any more, on any worker', async () => {
      const repository = newRepository()
      await store.putManifest(manifestOf(repository, 'm', { tags: [tag('a')], now: 1 }))
      await store.deleteManifest({ repository, digest: digestOf('m'), now: 2 })
      assert.deepEqual(await other.listTags(repository, { limit: 10 }), { items: [], next: undefined })
      await store.garbage.dropEmptyRepositories(step(9000, 100))
      assert.equal(await other.listTags(repository, { limit: 10 }), undefined)
    })

    test('garbage: grace, condemnation, rescue, deletion', async () => {
      const repository = newRepository()
      const { garbage } = store
      await putBlob(repository, 'garbage', 1000)
      const taken = async (
        run: (step: GarbageStep) => ReturnType<typeof garbage.markBlobs>,
        at: GarbageStep,
      ): Promise<boolean> => (await run(at)).items.some(({ subject }) => subject === digestOf('garbage'))
      const unlink = (at: GarbageStep): Promise<boolean> =>
        taken((each) => garbage.unlinkUnreferenced(each), at)
      const mark = (at: GarbageStep): Promise<boolean> => taken((each) => garbage.markBlobs(each), at)
      const remove = (at: GarbageStep): Promise<boolean> => taken((each) => garbage.deleteMarked(each), at)

      assert.equal(await unlink(step(1050, 100)), false, 'within its grace')
      assert.equal(await store.touchBlob({ repository, digest: digestOf('garbage'), now: 1060 }), true)
      assert.equal(await unlink(step(1150, 100)), false, 'a HEAD begins the grace anew')
      assert.equal(await unlink(step(1200, 100, true)), true, 'a dry run says so')
      assert.ok(await store.findBlob(repository, digestOf('garbage')), 'a dry run changes nothing')
      assert.equal(await unlink(step(1200, 100)), true)
      assert.equal(await other.findBlob(repository, digestOf('garbage')), undefined)
      assert.equal(await mark(step(1201, 0)), true)
      await putBlob(repository, 'garbage', 1202)
      assert.equal(await remove(step(1300, 0)), false, 'a push rescues')
      assert.equal(await unlink(step(1400, 100)), true)
      assert.equal(await mark(step(1401, 0)), true)
      assert.equal(await remove(step(1401, 0)), false, 'not by the instant that condemned it')
      assert.equal(await remove(step(1402, 0)), true)
    })

    test('garbage: nothing that a manifest needs, nor the manifest that an index or a subject keeps', async () => {
      const repository = newRepository()
      await putBlob(repository, 'kept')
      await store.putManifest(manifestOf(repository, 'image', { references: [layer('kept')], now: 1 }))
      await store.putManifest(
        manifestOf(repository, 'index', { references: [child('image')], tags: [tag('latest')], now: 1 }),
      )
      await store.putManifest(manifestOf(repository, 'signature', { subject: digestOf('index'), now: 1 }))
      await store.putManifest(manifestOf(repository, 'loose', { now: 1 }))
      const at = step(1_000_000, 10)
      const links = await store.garbage.unlinkUnreferenced(at)
      assert.ok(!links.items.some(({ repository: of }) => of === repository))
      const untagged = await store.garbage.expireUntagged({ ...at, repository })
      assert.deepEqual(untagged.items.map(({ subject }) => subject), [digestOf('loose')]) // prettier-ignore
      await store.deleteManifest({ repository, digest: digestOf('index'), now: 1_000_000 })
      const later = await store.garbage.expireUntagged({ ...step(1_000_005, 10), repository })
      assert.deepEqual(later.items, [], 'what the index kept begins its time now')
    })

    test('garbage: a step looks at no more untagged manifests than its limit, needed or not', async () => {
      const repository = newRepository()
      const names = Array.from({ length: 6 }, (_, index) => `w-child ${index}`)
      for (const name of names) await store.putManifest(manifestOf(repository, name, { now: 1 }))
      const references = names.map(child)
      await store.putManifest(manifestOf(repository, 'w-index', { references, tags: [tag('w')], now: 1 }))
      for (const name of ['w-loose 1', 'w-loose 2'])
        await store.putManifest(manifestOf(repository, name, { now: 2 }))
      const seen: string[][] = []
      for (let after: string | undefined; ;) {
        const page = await store.garbage.expireUntagged({
          ...step(1_000_000, 10),
          limit: 3,
          repository,
          ...(after && { after }),
        })
        seen.push(page.items.map(({ subject }) => subject))
        after = page.next
        if (after === undefined) break
      }
      assert.deepEqual(seen, [[], [], [digestOf('w-loose 1'), digestOf('w-loose 2')]])
    })

    test('what is untagged is listed page by page as it would be collected', async () => {
      const repository = newRepository()
      assert.equal(await other.untagged.list(repository, { limit: 5 }), undefined)
      const put = (text: string, extra: object): Promise<unknown> =>
        store.putManifest(manifestOf(repository, text, { now: 1, ...extra }))
      await put('u-child', {})
      await put('u-index', { references: [child('u-child')], tags: [tag('all')] })
      await put('u-signature', { subject: digestOf('u-index') })
      await put('u-tagged', { tags: [tag('v1')] })
      await put('u-first', { now: 5 })
      await put('u-second', { now: 5 })
      await put('u-third', { now: 9 })
      const seen: string[] = []
      let pages = 0
      for (let after: string | undefined; ; pages++) {
        const page = await other.untagged.list(repository, { limit: 2, ...(after && { after }) })
        assert.ok(page !== undefined && page.items.length <= 2)
        seen.push(...page.items.map(({ digest, untaggedSince }) => `${digest} ${untaggedSince}`))
        after = page.next
        if (after === undefined) break
      }
      const expected = [['u-first', 5], ['u-second', 5], ['u-third', 9]] as const // prettier-ignore
      assert.deepEqual(seen, expected.map(([text, since]) => `${digestOf(text)} ${since}`)) // prettier-ignore
      assert.equal(pages, 2, 'five that are untagged, two of them needed')
      assert.equal((await other.untagged.find(repository, digestOf('u-third')))?.untaggedSince, 9)
      for (const kept of ['u-child', 'u-signature', 'u-tagged', 'none'])
        assert.equal(await other.untagged.find(repository, digestOf(kept)), undefined, kept)
      await store.deleteTag({ repository, tag: tag('v1'), now: 20 })
      assert.equal((await other.untagged.find(repository, digestOf('u-tagged')))?.untaggedSince, 20)
    })

    test('what goes with a manifest is what nothing else needs, here and elsewhere', async () => {
      const [repository, elsewhere] = [newRepository(), newRepository()]
      for (const text of ['f-own', 'f-shared', 'f-mounted!']) await putBlob(repository, text)
      await store.mountBlob({ digest: digestOf('f-mounted!'), to: elsewhere, from: [repository], now: 2 })
      const references = ['f-own', 'f-shared', 'f-mounted!'].map(layer)
      await store.putManifest(manifestOf(repository, 'f-image', { references, now: 1 }))
      await store.putManifest(manifestOf(repository, 'f-next', { references: [layer('f-shared')], now: 1 }))
      await store.putManifest(manifestOf(repository, 'f-index', { references: [child('f-image')], now: 1 }))
      const freed = (text: string, limit = 10): Promise<unknown> =>
        other.untagged.freedByRemoval(repository, digestOf(text), limit)
      assert.deepEqual(await freed('f-image'), { bytes: 'f-image'.length + 'f-own'.length, children: 0 })
      assert.deepEqual(await freed('f-index'), { bytes: 'f-index'.length, children: 1 })
      assert.deepEqual(await freed('f-image', 2), { bytes: undefined, children: undefined })
      assert.equal(await freed('none'), undefined)
      await store.deleteManifest({ repository, digest: digestOf('f-next'), now: 3 })
      const [own, shared] = ['f-own'.length, 'f-shared'.length]
      assert.deepEqual(await freed('f-image'), { bytes: 'f-image'.length + own + shared, children: 0 })
    })

    test('one lease, until it is released or has run out', async () => {
      const { garbage } = store
      const clock = leaseClock(open)
      const term = (holder: string): LeaseTerm => ({ name: 'l', holder, ttl: 400, now: clock.now })
      assert.equal(await garbage.acquireLease(term('a')), true)
      await clock.pass(200)
      assert.equal(await other.garbage.acquireLease(term('b')), false)
      assert.equal(await garbage.acquireLease(term('a')), true)
      await clock.pass(401)
      assert.equal(await other.garbage.acquireLease(term('b')), true)
      await other.garbage.releaseLease({ name: 'l', holder: 'b' })
      assert.equal(await garbage.acquireLease(term('a')), true)
    })

    test('a lease is renewed by its holder alone, and never taken by that', async () => {
      const { garbage } = store
      const clock = leaseClock(open)
      const term = (holder: string): LeaseTerm => ({ name: 'r', holder, ttl: 400, now: clock.now })
      await garbage.acquireLease(term('a'))
      await clock.pass(401)
      assert.equal(await other.garbage.renewLease(term('b')), false)
      assert.equal(await garbage.renewLease(term('a')), true)
      assert.equal(await other.garbage.acquireLease(term('b')), false)
      await garbage.releaseLease({ name: 'r', holder: 'a' })
      assert.equal(await garbage.renewLease(term('a')), false)
      assert.equal(await other.garbage.acquireLease(term('b')), true)
    })

    test('a collector whose lease another one has taken gets LeaseLost, and has changed nothing', async () => {
      const { garbage } = store
      const clock = leaseClock(open)
      const repository = newRepository()
      const text = `fenced ${count}`
      await putBlob(repository, text, 1000)
      const lease = { name: 'f', holder: 'a' }
      const term = (holder: string): LeaseTerm => ({ name: 'f', holder, ttl: 400, now: clock.now })
      await garbage.acquireLease(term('a'))
      assert.ok(await garbage.unlinkUnreferenced({ ...step(2000, 100), limit: 0, lease }))
      await clock.pass(401)
      await other.garbage.acquireLease(term('b'))
      const late = { ...step(2000, 100), lease }
      const keys = ['e'.repeat(32) as DataKey]
      const rows = (): ReturnType<typeof garbage.notes> => other.garbage.notes()
      const before = await rows()
      for (const [name, change] of Object.entries({
        expireUploads: () => garbage.expireUploads(late),
        expireUntagged: () => garbage.expireUntagged({ ...late, repository }),
        unlinkUnreferenced: () => garbage.unlinkUnreferenced(late),
        markBlobs: () => garbage.markBlobs(late),
        deleteMarked: () => garbage.deleteMarked(late),
        forgetHistory: () => garbage.forgetHistory(late),
        dropEmptyRepositories: () => garbage.dropEmptyRepositories(late),
        pendOrphans: () => garbage.pendOrphans({ keys, lease }),
        forgetPendingDeletes: () => garbage.forgetPendingDeletes({ keys, lease }),
        note: () => garbage.note({ notes: { seenAt: 1 }, lease }),
      }))
        await assert.rejects(change, isLeaseLost, name)
      assert.ok(await other.findBlob(repository, digestOf(text)))
      assert.ok(!(await garbage.pendingDeletes(1000)).includes(keys[0] as DataKey))
      assert.deepEqual(await rows(), before)
    })

    test('garbage: what collectors note is kept, one note beside another', async () => {
      await store.garbage.note({ notes: { seenAt: 5, suspendedUntil: 6 } })
      await other.garbage.note({ notes: { collectedAt: 7, suspendedUntil: undefined } })
      assert.deepEqual(await store.garbage.notes(), { seenAt: 5, collectedAt: 7 })
    })

    test('garbage: orphans are bytes without a row, unless a row names them', async () => {
      const [key, loose] = ['d'.repeat(32) as DataKey, 'c'.repeat(32) as DataKey]
      const content = { kind: 'stored', key } as const
      const blob = {
        repository: newRepository(),
        digest: digestOf(`kept ${count}`),
        size: 9,
        content,
        now: 1,
      }
      await store.putBlob({ ...blob, uploadId: undefined })
      assert.equal(await other.garbage.pendOrphans({ keys: [key, loose] }), 1)
      assert.equal(await other.garbage.pendOrphans({ keys: [key, loose] }), 0)
      const pending = await store.garbage.pendingDeletes(1000)
      assert.deepEqual([pending.includes(loose), pending.includes(key)], [true, false])
      await store.garbage.forgetPendingDeletes({ keys: [loose] })
    })

    test('a change that fails leaves its neighbours in the batch alone', async () => {
      const repository = newRepository()
      const bad = { ...manifestOf(repository, 'bad', { now: 1 }), mediaType: null as unknown as string }
      const results = await Promise.allSettled([
        store.putManifest(manifestOf(repository, 'good 1', { now: 1 })),
        store.putManifest(bad),
        store.putManifest(manifestOf(repository, 'good 2', { now: 1 })),
      ])
      assert.deepEqual(results.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled']) // prettier-ignore
      assert.ok(await store.findManifest(repository, digestOf('good 2')))
      assert.equal(await store.findManifest(repository, digestOf('bad')), undefined)
    })
  })
}

/** The contract of stores that give an image of the metadata. */
export function snapshotContract(name: string, open: OpenStore): void {
  suite(`${name} keeps the contract of snapshots`, () => {
    let store: MetadataStore
    openAround(open, (opened) => ({ store } = opened))

    test('a snapshot is one instant, and can be read while changes go on', async () => {
      const snapshot = await store.snapshot()
      await store.putBlob({
        repository: parseRepositoryName('snapshot/later'),
        digest: digestOf('later'),
        size: 5,
        content: { kind: 'inline', bytes: Buffer.from('later') },
        uploadId: undefined,
        now: 1,
      })
      let size = 0
      for await (const chunk of snapshot.stream()) size += chunk.byteLength
      assert.equal(size, snapshot.size)
      for await (const { size: bytes } of snapshot.storedBlobs()) assert.ok(bytes >= 0)
      await snapshot.close()
    })
  })
}

/** A clock for leases: an engine that has a clock of its own lets only real time pass. */
function leaseClock({ ownClock = false }: OpenStore): {
  readonly now: number
  pass(milliseconds: number): Promise<unknown>
} {
  const clock = {
    now: 1000,
    async pass(milliseconds: number) {
      clock.now += milliseconds
      if (ownClock) await sleep(milliseconds)
    },
  }
  return clock
}

async function* pagesOf({ inventory }: MetadataStore): AsyncGenerator<InventoryManifest> {
  for (let after: string | undefined; ;) {
    const { items, next } = await inventory.manifests({ limit: 100, ...(after !== undefined && { after }) })
    yield* items
    if (next === undefined) return
    after = next
  }
}
