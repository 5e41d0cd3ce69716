import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import type { EncodedAuditRecord, OutboxEntry } from '../../src/metadata/outbox.ts'
import type { RepositoryName } from '../../src/oci/repository-name.ts'
import { parseTag } from '../../src/oci/tag.ts'
import {
  digestOf,
  manifestOf,
  openAround,
  repositoryNames,
  type OpenedStore,
} from './metadata-store-contract.ts'

/**
 * The contract of every outbox: a row exists if and only if the change was made, in the change's own
 * transaction.
 */
export function outboxContract(name: string, open: () => Promise<OpenedStore>): void {
  suite(`${name} keeps the contract of outboxes`, () => {
    let store: MetadataStore
    let other: MetadataStore
    let count = 0
    openAround(open, (opened) => ({ store, other } = opened))

    const newRepository = repositoryNames('outbox')
    const newAuditRecord = (): EncodedAuditRecord => JSON.stringify({ id: `note ${++count}` })
    const all = (): Promise<readonly OutboxEntry[]> => other.outbox.read({ after: 0, limit: 10_000 })
    /** The facts of the rows that `work` wrote; each row must have this audit record. */
    const written = async (
      auditRecord: EncodedAuditRecord,
      work: () => Promise<unknown>,
    ): Promise<unknown[]> => {
      const seen = (await all()).at(-1)?.id ?? 0
      await work()
      const rows = await other.outbox.read({ after: seen, limit: 100 })
      for (const row of rows) assert.equal(row.auditRecord, auditRecord)
      return rows.map(({ facts }) => JSON.parse(JSON.stringify(facts ?? null)) as unknown)
    }
    const blobOf = (repository: RepositoryName, text: string, auditRecord?: EncodedAuditRecord) => ({
      repository,
      digest: digestOf(text),
      size: text.length,
      content: { kind: 'inline', bytes: Buffer.from(text) } as const,
      now: 1,
      auditRecord,
    })

    test('notes without a change are kept in order, with ids that grow and are never used twice', async () => {
      await store.outbox.record(['one', 'two'], 1)
      await other.outbox.record(['three'], 2)
      const entries = await all()
      assert.deepEqual(entries.map(({ auditRecord }) => auditRecord), ['one', 'two', 'three']) // prettier-ignore
      assert.ok(entries.every(({ facts }) => facts === undefined))
      const ids = entries.map(({ id }) => id)
      assert.deepEqual(await store.outbox.read({ after: ids[0] ?? 0, limit: 1 }), [entries[1]])
      assert.equal((await store.outbox.size()).rows, 3)
      assert.equal((await store.outbox.size()).bytes, 'onetwothree'.length)
      await store.outbox.forget(ids[1] ?? 0)
      assert.deepEqual(await all(), [entries[2]])
      assert.deepEqual(await store.outbox.size(), { rows: 1, bytes: 5 })
      await store.outbox.forget(ids[2] ?? 0)
      assert.deepEqual(await store.outbox.size(), { rows: 0, bytes: 0 })
      await store.outbox.record(['four'], 3)
      assert.ok(((await all())[0]?.id ?? 0) > (ids[2] ?? 0))
    })

    test('denials wait by themselves, with ids of their own', async () => {
      const before = await store.outbox.size()
      await store.outbox.denials.record(['one', 'two'], 1)
      const [first, second] = await other.outbox.denials.read({ after: 0, limit: 9 })
      assert.deepEqual([first?.auditRecord, second?.auditRecord], ['one', 'two'])
      assert.deepEqual(await other.outbox.denials.size(), { rows: 2, bytes: 6 })
      assert.deepEqual(await store.outbox.size(), before)
      await other.outbox.denials.forget(second?.id ?? 0)
      assert.deepEqual(await store.outbox.denials.size(), { rows: 0, bytes: 0 })
      assert.deepEqual(await store.outbox.size(), before)
    })

    test('a blob is noted where it is pushed, ended or mounted', async () => {
      const [here, there, third] = [newRepository(), newRepository(), newRepository()]
      const auditRecord = newAuditRecord()
      const facts = { digest: digestOf('noted'), size: 5 }
      const put = (): Promise<void> =>
        store.putBlob({ ...blobOf(here, 'noted', auditRecord), uploadId: undefined })
      assert.deepEqual(await written(auditRecord, put), [facts])
      assert.deepEqual(await written(auditRecord, put), [{ ...facts, known: true }])
      const mount =
        (from: RepositoryName[] | undefined, to = there) =>
        () =>
          store.mountBlob({ digest: facts.digest, to, from, now: 2, auditRecord })
      assert.deepEqual(await written(auditRecord, mount([third])), [])
      assert.deepEqual(await written(auditRecord, mount([third, here])), [{ ...facts, from: here }])
      assert.deepEqual(await written(auditRecord, mount(undefined, third)), [{ ...facts, from: here }])
    })

    test('of whole content only what was taken is noted, wherever its upload was opened', async () => {
      const repository = newRepository()
      const auditRecord = newAuditRecord()
      const whole =
        (id: string, through = store) =>
        () =>
          through.putWholeBlob({ ...blobOf(repository, 'whole', auditRecord), uploadId: id })
      assert.deepEqual(await written(auditRecord, whole('never-opened')), [])
      for (const [id, through] of [
        ['whole-1', store],
        ['whole-2', other],
      ] as const) {
        await store.createUpload({ id, repository, algorithm: 'sha256', now: 1 })
        await through.findUpload(repository, id)
        assert.equal((await written(auditRecord, whole(id, through))).length, 1)
        assert.deepEqual(await written(auditRecord, whole(id, through)), [])
      }
    })

    test('a manifest is noted with what each tag pointed to before', async () => {
      const repository = newRepository()
      const auditRecord = newAuditRecord()
      const [one, two] = [digestOf('one'), digestOf('two')]
      const put =
        (text: string, tags: readonly string[], extra = {}) =>
        () =>
          store.putManifest(
            manifestOf(repository, text, { tags: tags.map(parseTag), now: 1, auditRecord, ...extra }),
          )
      const mediaType = manifestOf(repository, '', { now: 1 }).mediaType
      assert.deepEqual(await written(auditRecord, put('one', ['a'])), [
        { digest: one, size: 3, mediaType, tags: [{ name: 'a', before: null }] },
      ])
      assert.deepEqual(
        await written(auditRecord, put('two', ['a', 'b'], { artifactType: 'x/y', subject: one })),
        [
          {
            digest: two,
            size: 3,
            mediaType,
            artifactType: 'x/y',
            subject: one,
            tags: [
              { name: 'a', before: one },
              { name: 'b', before: null },
            ],
          },
        ],
      )
      assert.deepEqual(await written(auditRecord, put('one', [])), [
        { digest: one, size: 3, mediaType, tags: [], known: true },
      ])
      const references = [{ digest: digestOf('missing'), kind: 'layer', required: true }]
      assert.deepEqual(await written(auditRecord, put('refused', ['a'], { references })), [])
    })

    test('deletions are noted with what went, and only where something did', async () => {
      const repository = newRepository()
      const auditRecord = newAuditRecord()
      const { digest, mediaType, body } = manifestOf(repository, 'm', { now: 1 })
      const facts = { digest, size: body.byteLength, mediaType }
      await store.putManifest(manifestOf(repository, 'm', { tags: ['a', 'b', 'c'].map(parseTag), now: 1 }))
      const deleteTag = () => store.deleteTag({ repository, tag: parseTag('a'), now: 2, auditRecord })
      assert.deepEqual(await written(auditRecord, deleteTag), [
        { ...facts, tags: [{ name: 'a', before: digest }] },
      ])
      assert.deepEqual(await written(auditRecord, deleteTag), [])
      const deleteManifest = () => store.deleteManifest({ repository, digest, now: 3, auditRecord })
      const tags = ['b', 'c'].map((name) => ({ name, before: digest }))
      assert.deepEqual(await written(auditRecord, deleteManifest), [{ ...facts, tags }])
      assert.deepEqual(await written(auditRecord, deleteManifest), [])
      await store.putManifest(
        manifestOf(repository, 'many', {
          tags: Array.from({ length: 120 }, (_, i) => parseTag(`t${i}`)),
          now: 4,
        }),
      )
      const [many] = (await written(auditRecord, () =>
        store.deleteManifest({ repository, digest: digestOf('many'), now: 5, auditRecord }),
      )) as [{ tags: unknown[]; tagCount: number }]
      assert.deepEqual([many.tags.length, many.tagCount], [100, 120])
    })

    test('a blob that goes is noted, one that is needed or unknown is not', async () => {
      const repository = newRepository()
      const auditRecord = newAuditRecord()
      await store.putBlob({ ...blobOf(repository, 'needed'), uploadId: undefined })
      const references = [{ digest: digestOf('needed'), size: 6, kind: 'layer' as const, required: true }]
      await store.putManifest(manifestOf(repository, 'm', { references, now: 1 }))
      const unlink = () => store.unlinkBlob({ repository, digest: digestOf('needed'), now: 2, auditRecord })
      assert.deepEqual(await written(auditRecord, unlink), [])
      await store.deleteManifest({ repository, digest: digestOf('m'), now: 3 })
      assert.deepEqual(await written(auditRecord, unlink), [{ digest: digestOf('needed'), size: 6 }])
      assert.deepEqual(await written(auditRecord, unlink), [])
    })

    test('a push that finds its blob there is noted as one that changed nothing', async () => {
      const repository = newRepository()
      const auditRecord = newAuditRecord()
      const touch = () => store.touchBlob({ repository, digest: digestOf('touched'), now: 2, auditRecord })
      assert.deepEqual(await written(auditRecord, touch), [])
      await store.putBlob({ ...blobOf(repository, 'touched'), uploadId: undefined })
      assert.deepEqual(await written(auditRecord, touch), [
        { digest: digestOf('touched'), size: 7, known: true },
      ])
    })

    test('a cancelled upload is noted once, wherever it was opened', async () => {
      const repository = newRepository()
      const auditRecord = newAuditRecord()
      for (const [id, through] of [
        ['gone-1', store],
        ['gone-2', other],
      ] as const) {
        await store.createUpload({ id, repository, algorithm: 'sha256', now: 1 })
        const cancel = () => through.cancelUpload(repository, id, { auditRecord, now: 2 })
        assert.equal((await written(auditRecord, cancel)).length, 1)
        assert.deepEqual(await written(auditRecord, cancel), [])
      }
    })

    test('a change without a note leaves none', async () => {
      const repository = newRepository()
      assert.deepEqual(
        await written('', async () => {
          await store.putBlob({ ...blobOf(repository, 'silent'), uploadId: undefined })
          await store.putManifest(manifestOf(repository, 'silent', { tags: [parseTag('a')], now: 1 }))
          await store.deleteTag({ repository, tag: parseTag('a'), now: 2 })
          await store.deleteManifest({ repository, digest: digestOf('silent'), now: 2 })
        }),
        [],
      )
    })

    test('heads are replaced; of keys the first one stays', async () => {
      assert.equal(await store.outbox.head('changes'), undefined)
      await store.outbox.saveHead('changes', 'one')
      await other.outbox.saveHead('changes', 'two')
      await store.outbox.saveHead('pulls', 'three')
      assert.equal(await store.outbox.head('changes'), 'two')
      assert.equal(await other.outbox.head('pulls'), 'three')
      assert.equal(await store.outbox.key(), undefined)
      assert.equal(await store.outbox.saveKey('first'), 'first')
      assert.equal(await other.outbox.saveKey('second'), 'first')
      assert.equal(await other.outbox.key(), 'first')
    })
  })
}
