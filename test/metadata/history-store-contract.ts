import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { historyBounds, type SeenManifest, type TagTarget } from '../../src/metadata/history-store.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import type { RepositoryName } from '../../src/oci/repository-name.ts'
import { parseTag } from '../../src/oci/tag.ts'
import {
  digestOf,
  manifestOf,
  openAround,
  repositoryNames,
  type OpenedStore,
} from './metadata-store-contract.ts'

const [tag, another] = [parseTag('t'), parseTag('another')]
const day = 86_400_000

/** The contract of every history store. */
export function historyStoreContract(name: string, open: () => Promise<OpenedStore>): void {
  suite(`${name} keeps the contract of history stores`, () => {
    let store: MetadataStore
    let other: MetadataStore
    openAround(open, (opened) => ({ store, other } = opened))

    const newRepository = repositoryNames('history')
    const push = (
      repository: RepositoryName,
      text: string,
      now: number,
      { tags = [tag], pusher }: { tags?: readonly (typeof tag)[]; pusher?: string } = {},
    ): Promise<unknown> => store.putManifest(manifestOf(repository, text, { tags, pusher, now }))
    const seen = (repository: RepositoryName, text: string): Promise<SeenManifest | undefined> =>
      other.history.manifest(repository, digestOf(text))
    /** Formats `what@since-until`, with a `!` at the end where the tag was removed. */
    const targets = async (repository: RepositoryName, of = tag): Promise<string[]> => {
      const names = new Map(['a', 'b', 'c', 'd'].map((text) => [digestOf(text), text] as const))
      const line = ({ digest, since, end }: TagTarget): string =>
        `${names.get(digest)}@${since}-${end?.at ?? ''}${end?.kind === 'removed' ? '!' : ''}`
      return (await other.history.tag(repository, of)).map(line)
    }
    const collect = async (now: number): Promise<void> => {
      const step = (age: number) => ({ before: now - age, now, limit: 1000, dryRun: false })
      await store.garbage.forgetHistory(step(historyBounds.age))
      await store.garbage.dropEmptyRepositories(step(1))
    }

    test('a digest is known since its first push, by whom, whatever is pushed later', async () => {
      const repository = newRepository()
      await push(repository, 'a', 100, { pusher: 'ann' })
      const first = { since: 100, atLatest: false, pusher: 'ann', removedAt: undefined }
      assert.deepEqual(await seen(repository, 'a'), first)
      await push(repository, 'a', 200, { tags: [another], pusher: 'ben' })
      assert.deepEqual(await seen(repository, 'a'), first)
      await push(repository, 'b', 300)
      assert.deepEqual(await seen(repository, 'b'), { ...first, since: 300, pusher: undefined })
      assert.equal(await seen(repository, 'c'), undefined)
      // Another repository has its own history.
      const elsewhere = newRepository()
      await push(elsewhere, 'a', 400, { pusher: 'eve' })
      assert.equal((await seen(elsewhere, 'a'))?.since, 400)
    })

    test('it outlives a deletion, and a push after that is not the first', async () => {
      const repository = newRepository()
      await push(repository, 'a', 100, { pusher: 'ann' })
      await store.deleteManifest({ repository, digest: digestOf('a'), now: 200 })
      const gone = { since: 100, atLatest: false, pusher: 'ann', removedAt: 200 }
      assert.deepEqual(await seen(repository, 'a'), gone)
      await push(repository, 'a', 300, { pusher: 'ben' })
      assert.deepEqual(await seen(repository, 'a'), { ...gone, removedAt: undefined })
      await store.deleteManifest({ repository, digest: digestOf('a'), now: 400 })
      assert.deepEqual(await seen(repository, 'a'), { ...gone, removedAt: 400 })
    })

    test('it outlives what garbage collection and a repair take', async () => {
      const repository = newRepository()
      await push(repository, 'a', 100, { tags: [] })
      await push(repository, 'b', 110)
      const step = { before: 500, now: 1000, limit: 10, dryRun: false, repository }
      assert.equal((await store.garbage.expireUntagged(step)).items.length, 1)
      await store.inventory.dropManifest(repository, digestOf('b'), 1001)
      assert.deepEqual([(await seen(repository, 'a'))?.removedAt, (await seen(repository, 'b'))?.removedAt], [1000, 1001]) // prettier-ignore
      assert.deepEqual(await targets(repository), ['b@110-1001!'])
    })

    test('what a tag pointed to, latest first: moves, removals, and what is pushed again', async () => {
      const repository = newRepository()
      await push(repository, 'a', 100, { pusher: 'ann' })
      assert.deepEqual(await targets(repository), ['a@100-'])
      await push(repository, 'a', 150)
      assert.deepEqual(await targets(repository), ['a@100-'])
      await push(repository, 'b', 200, { pusher: 'ben' })
      await push(repository, 'a', 300, { pusher: 'eve' })
      assert.deepEqual(await targets(repository), ['a@300-', 'b@200-300', 'a@100-200'])
      const history = await other.history.tag(repository, tag)
      assert.deepEqual(history.map(({ pusher }) => pusher), ['eve', 'ben', 'ann']) // prettier-ignore
      await store.deleteTag({ repository, tag, now: 400 })
      assert.deepEqual(await targets(repository), ['a@300-400!', 'b@200-300', 'a@100-200'])
      await push(repository, 'c', 500)
      await store.deleteManifest({ repository, digest: digestOf('c'), now: 600 })
      await push(repository, 'd', 700)
      const expected = ['d@700-', 'c@500-600!', 'a@300-400!', 'b@200-300', 'a@100-200']
      assert.deepEqual(await targets(repository), expected)
      assert.deepEqual(await targets(repository, another), [])
      assert.deepEqual(await targets(newRepository()), [])
    })

    test('every tag of a manifest that goes is told of, however many there are', async () => {
      const repository = newRepository()
      const tags = Array.from({ length: 1100 }, (_, index) => parseTag(`v${index}`))
      await push(repository, 'a', 100, { tags })
      await store.deleteManifest({ repository, digest: digestOf('a'), now: 200 })
      for (const each of [tags[0], tags[499], tags[500], tags[1099]])
        assert.deepEqual(await targets(repository, each), ['a@100-200!'])
    })

    test('a clock that goes back changes no order, and no time of a tag goes back', async () => {
      const repository = newRepository()
      await push(repository, 'a', 1000)
      await push(repository, 'b', 2000)
      await push(repository, 'c', 500)
      await push(repository, 'a', 600)
      assert.deepEqual(await targets(repository), ['a@2000-', 'c@2000-2000', 'b@2000-2000', 'a@1000-2000'])
      await store.deleteTag({ repository, tag, now: 100 })
      await push(repository, 'd', 50)
      assert.deepEqual((await targets(repository)).slice(0, 2), ['d@2000-', 'a@2000-2000!'])
    })

    test('a tag remembers so many moves, and no more', async () => {
      const repository = newRepository()
      await push(repository, 'other', 1, { tags: [another] })
      await push(repository, 'a', 1, { tags: [another] })
      const { moves } = historyBounds
      for (let each = 0; each <= moves + 5; each++) await push(repository, `move ${each}`, each)
      const history = await other.history.tag(repository, tag)
      assert.equal(history.length, moves + 1)
      assert.equal(history[0]?.digest, digestOf(`move ${moves + 5}`))
      assert.equal(history.at(-1)?.digest, digestOf('move 5'))
      assert.equal((await other.history.tag(repository, another)).length, 2)
      // Creating and removing a tag repeatedly does not exceed the limit.
      for (let each = 0; each < moves; each++) {
        await push(repository, 'a', 1000 + each)
        await store.deleteTag({ repository, tag, now: 1000 + each })
      }
      assert.equal((await other.history.tag(repository, tag)).length, moves)
    })

    test('what was removed is forgotten when it is old, and what is there is not', async () => {
      const repository = newRepository()
      await push(repository, 'a', 0, { tags: [tag, another] })
      await push(repository, 'b', 1, { tags: [tag] })
      await store.deleteTag({ repository, tag, now: day })
      await store.deleteManifest({ repository, digest: digestOf('b'), now: 2 * day })
      await push(repository, 'c', 2 * day)
      await push(repository, 'd', 3 * day)
      const expected = ['d@259200000-', 'c@172800000-259200000', 'b@1-86400000!', 'a@0-1']
      await collect(historyBounds.age + day)
      assert.deepEqual(await targets(repository), expected)
      assert.ok(await seen(repository, 'b'))
      await collect(historyBounds.age + day + 1)
      assert.deepEqual(await targets(repository), expected.slice(0, 2))
      assert.ok(await seen(repository, 'b'))
      await collect(historyBounds.age + 2 * day + 1)
      assert.equal(await seen(repository, 'b'), undefined)
      assert.deepEqual(
        [(await seen(repository, 'a'))?.since, await targets(repository, another)],
        [0, ['a@0-']],
      )
      // A dry run deletes no history.
      await store.deleteTag({ repository, tag: another, now: 3 * day })
      const later = 2 * historyBounds.age
      await store.garbage.forgetHistory({ before: later, now: later, limit: 1000, dryRun: true })
      assert.deepEqual(await targets(repository, another), ['a@0-259200000!'])
    })

    test('what is forgotten of one tag is never taken for what another one was', async () => {
      const repository = newRepository()
      await push(repository, 'a', 1)
      await store.deleteTag({ repository, tag, now: day })
      await push(repository, 'b', 2 * day)
      await collect(historyBounds.age + day + 1)
      assert.deepEqual(await targets(repository), ['b@172800000-'])
      await push(repository, 'c', 3 * day, { tags: [another] })
      await push(repository, 'd', 4 * day, { tags: [another] })
      assert.deepEqual(await targets(repository, another), ['d@345600000-', 'c@259200000-345600000'])
      assert.deepEqual(await targets(repository), ['b@172800000-'])
      await push(repository, 'c', 5 * day)
      assert.deepEqual(await targets(repository), ['c@432000000-', 'b@172800000-432000000'])
    })

    test('a repository that holds nothing more is unknown, comes again with its history, and goes with it', async () => {
      const repository = newRepository()
      await push(repository, 'a', 1)
      await store.deleteManifest({ repository, digest: digestOf('a'), now: 2 })
      const before = (await store.inventory.totals()).repositories
      await collect(10)
      assert.equal(await other.hasRepository(repository), false)
      assert.equal(await other.listTags(repository, { limit: 1 }), undefined)
      assert.equal((await store.inventory.totals()).repositories, before - 1)
      assert.equal((await seen(repository, 'a'))?.removedAt, 2)
      // Another repository does not get this history.
      assert.equal(await seen(newRepository(), 'a'), undefined)
      await push(repository, 'b', 20)
      assert.deepEqual((await other.listTags(repository, { limit: 1 }))?.items, [tag])
      assert.deepEqual(await targets(repository), ['b@20-', 'a@1-2!'])
      await store.deleteManifest({ repository, digest: digestOf('b'), now: 30 })
      await collect(40)
      await collect(historyBounds.age + 31)
      assert.deepEqual([await seen(repository, 'a'), await targets(repository)], [undefined, []])
      assert.equal(await other.hasRepository(repository), false)
    })
  })
}
