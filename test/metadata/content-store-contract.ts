import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import type { HolderRecord } from '../../src/metadata/content-store.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import type { ManifestReference } from '../../src/metadata/records.ts'
import { parseDigest, type Digest } from '../../src/oci/digest.ts'
import { ociImageIndex } from '../../src/oci/media-types.ts'
import type { RepositoryName } from '../../src/oci/repository-name.ts'
import {
  digestOf,
  manifestOf,
  openAround,
  repositoryNames,
  type OpenedStore,
} from './metadata-store-contract.ts'

const reference = (text: string, kind: ManifestReference['kind']): ManifestReference => ({
  digest: digestOf(text),
  size: text.length,
  kind,
  required: true,
})

/** The contract of every content store. */
export function contentStoreContract(name: string, open: () => Promise<OpenedStore>): void {
  suite(`${name} keeps the contract of content stores`, () => {
    let store: MetadataStore
    let other: MetadataStore
    openAround(open, (opened) => ({ store, other } = opened))

    const newRepository = repositoryNames('contents')
    const putBlob = (repository: RepositoryName, text: string, twin?: Digest): Promise<void> =>
      store.putBlob({
        repository,
        digest: digestOf(text),
        size: text.length,
        content: { kind: 'inline', bytes: Buffer.from(text) },
        twin,
        uploadId: undefined,
        now: 1,
      })
    const put = async (
      repository: RepositoryName,
      text: string,
      references: readonly ManifestReference[],
      isIndex = false,
    ): Promise<void> => {
      const allowed = { allowMissing: true, allowSparseIndex: true, now: 1 }
      const manifest = manifestOf(repository, text, { references, ...allowed })
      await store.putManifest(isIndex ? { ...manifest, mediaType: ociImageIndex } : manifest)
    }
    const sorted = (digests: Iterable<string>): string[] => [...digests].sort()
    const everyHolder = async (digest: Digest, limit: number): Promise<HolderRecord[]> => {
      const found: HolderRecord[] = []
      for (let after: string | undefined; ;) {
        const page = await other.contents.holders(digest, { after, limit })
        found.push(...page.items)
        if (page.next === undefined) return found
        after = page.next
      }
    }

    test('a manifest consists of all that it names, and of what that names, each once', async () => {
      const repository = newRepository()
      for (const text of ['config a', 'config b', 'shared layer']) await putBlob(repository, text)
      for (const each of ['a', 'b']) {
        await put(repository, `image ${each}`, [
          reference(`config ${each}`, 'config'),
          reference('shared layer', 'layer'),
          reference('elsewhere', 'layer'),
        ])
      }
      await put(repository, 'inner', [reference('image a', 'manifest')], true)
      const children = ['inner', 'image b', 'absent'].map((text) => reference(text, 'manifest'))
      await put(repository, 'outer', children, true)
      const found = await other.contents.closure(repository, digestOf('outer'), 100)
      assert.equal(found?.isComplete, true)
      const texts = [
        'inner',
        'image a',
        'image b',
        'absent',
        'config a',
        'config b',
        'shared layer',
        'elsewhere',
      ]
      assert.deepEqual(sorted(found.items.map(({ digest }) => digest)), sorted(texts.map(digestOf)))
      const of = (text: string) => found.items.find(({ digest }) => digest === digestOf(text))
      assert.deepEqual(of('config a'), {
        digest: digestOf('config a'),
        kind: 'config',
        size: 8,
        mediaType: undefined,
        twin: undefined,
      })
      assert.equal(of('inner')?.mediaType, ociImageIndex)
      assert.equal(of('image a')?.size, 7)
      assert.deepEqual([of('absent')?.size, of('elsewhere')?.size], [undefined, undefined])
      // Content that only another repository holds does not count.
      await putBlob(newRepository(), 'elsewhere')
      const again = await other.contents.closure(repository, digestOf('image a'), 100)
      assert.equal(again?.items.find(({ digest }) => digest === digestOf('elsewhere'))?.size, undefined)
      assert.equal(await other.contents.closure(newRepository(), digestOf('outer'), 100), undefined)
      assert.equal(await other.contents.closure(repository, digestOf('none'), 100), undefined)
    })

    test('a closure is no larger than its limit, and says that there is more', async () => {
      const repository = newRepository()
      const layers = Array.from({ length: 1200 }, (_, index) => reference(`layer ${index}`, 'layer'))
      await put(repository, 'large', layers)
      const closure = (limit: number) => other.contents.closure(repository, digestOf('large'), limit)
      assert.deepEqual([(await closure(1200))?.isComplete, (await closure(1200))?.items.length], [true, 1200])
      assert.deepEqual([(await closure(1199))?.isComplete, (await closure(1199))?.items.length], [false, 1199]) // prettier-ignore
    })

    test('what names content in its repository, paged', async () => {
      const repository = newRepository()
      await put(repository, 'child', [])
      await put(newRepository(), 'not here', [reference('child', 'manifest')], true)
      for (const text of ['i1', 'i2', 'i3'])
        await put(repository, text, [reference('child', 'manifest')], true)
      await put(repository, 'odd', [reference('child', 'layer')])
      const all = await other.contents.parents(repository, digestOf('child'), { limit: 10 })
      const expected = ['i1', 'i2', 'i3', 'odd'].map(digestOf)
      assert.deepEqual(all.items.map(({ digest }) => digest), expected) // prettier-ignore
      assert.deepEqual(all.items.map(({ kind }) => kind), ['manifest', 'manifest', 'manifest', 'layer']) // prettier-ignore
      assert.deepEqual([all.items[0]?.mediaType, all.next], [ociImageIndex, undefined])
      const first = await other.contents.parents(repository, digestOf('child'), { limit: 3 })
      const rest = await other.contents.parents(repository, digestOf('child'), {
        limit: 3,
        after: first.next,
      })
      assert.deepEqual([...first.items, ...rest.items], all.items)
      await store.deleteManifest({ repository, digest: digestOf('i2'), now: 2 })
      const left = await other.contents.parents(repository, digestOf('child'), { limit: 10 })
      assert.deepEqual(left.items.map(({ digest }) => digest), expected.filter((each) => each !== digestOf('i2'))) // prettier-ignore
      assert.deepEqual((await other.contents.parents(newRepository(), digestOf('child'), { limit: 1 })).items, []) // prettier-ignore
    })

    test('who holds content, in every repository, whatever the size of a page', async () => {
      const repositories = Array.from({ length: 5 }, newRepository)
      const expected: string[] = []
      for (const [index, repository] of repositories.entries()) {
        // Some repositories hold only the config, some the image, some further manifests with the same
        // config.
        for (let each = 0; each < index; each++) {
          await put(repository, `same again ${each}`, [reference('held config', 'config')])
          expected.push(`${repository} ${digestOf(`same again ${each}`)} config`)
        }
        if (index % 2 === 1) {
          await put(repository, 'held config', [])
          expected.push(`${repository} ${digestOf('held config')} self`)
        }
      }
      for (const limit of [1, 2, 3, 1000]) {
        const found = await everyHolder(digestOf('held config'), limit)
        const lines = found.map(({ repository, digest, kind }) => `${repository} ${digest} ${kind}`)
        assert.deepEqual(lines.sort(), expected.toSorted(), `pages of ${limit}`)
      }
      assert.deepEqual(await everyHolder(digestOf('held by nobody'), 10), [])
    })

    test('holders are found past a thousand repositories, a window at a time', async () => {
      const first = newRepository()
      await put(first, 'far', [reference('far config', 'config')])
      for (let each = 0; each < 1100; each++) {
        const repository = newRepository()
        // prettier-ignore
        await store.createUpload({ id: `${repository}`.padEnd(32, 'x'), repository, algorithm: 'sha256', now: 1 })
      }
      await other.findUpload(first, 'none')
      const last = newRepository()
      for (const text of ['far', 'far too']) await put(last, text, [reference('far config', 'config')])
      const page = await other.contents.holders(digestOf('far config'), { limit: 10 })
      assert.ok(page.items.length < 3 && page.next !== undefined)
      for (const limit of [1, 10]) {
        const found = await everyHolder(digestOf('far config'), limit)
        assert.deepEqual(found.map(({ repository }) => repository), [first, last, last]) // prettier-ignore
      }
      const copies = await everyHolder(digestOf('far'), 1)
      assert.deepEqual(copies.map(({ repository, kind }) => [repository, kind]), [[first, 'self'], [last, 'self']]) // prettier-ignore
    })

    test('the SHA-256 digest of content that is kept under another one, both ways', async () => {
      const repository = newRepository()
      const text = 'kept under sha512'
      const digest = parseDigest(`sha512:${createHash('sha512').update(text).digest('hex')}`)
      const blob = { repository, digest, size: text.length, uploadId: undefined, now: 1 }
      const content = { kind: 'inline', bytes: Buffer.from(text) } as const
      await store.putBlob({ ...blob, content })
      assert.equal(await other.contents.twinOf(digest), undefined)
      assert.equal(await store.contents.setTwin(digest, digestOf(text)), true)
      assert.equal(await store.contents.setTwin(digestOf('no such blob'), digestOf(text)), false)
      assert.equal(await other.contents.twinOf(digest), digestOf(text))
      assert.equal(await other.contents.twinOf(digestOf(text)), digest)
      const layers = [{ digest, size: text.length, kind: 'layer', required: true } as const]
      await put(repository, 'of a twin', layers)
      const closure = await other.contents.closure(repository, digestOf('of a twin'), 10)
      assert.deepEqual(closure?.items.map(({ twin }) => twin), [digestOf(text)]) // prettier-ignore
      // A twin that is given with the blob, first with a new row, then with an existing one.
      await putBlob(repository, 'a new row', digestOf('first'))
      assert.equal(await other.contents.twinOf(digestOf('first')), digestOf('a new row'))
      await putBlob(repository, 'a new row', digestOf('second'))
      assert.equal(await other.contents.twinOf(digestOf('second')), digestOf('a new row'))
    })
  })
}
