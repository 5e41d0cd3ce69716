import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { parseTag } from '../../../src/oci/tag.ts'
import { missing } from '../../requirements.ts'
import { PostgresServer } from '../../support/postgres-server.ts'
import { digestOf, manifestOf } from '../metadata-store-contract.ts'
import { a, b, blob, bytes, step, sweep } from './change-cases.ts'
import { Interleaver, type Pair, type Step } from './interleaver.ts'

/**
 * Every pair of changes below runs on a real PostgreSQL with one of them stopped before each of its
 * statements in turn, while the other runs as far as it can. Whatever came out must be whole, and what comes out where
 * one runs after the other. `every-interleaving.test.ts` does this for all pairs.
 */
const layer = { digest: blob, size: 4, kind: 'layer', required: true } as const
const putBlob = (repository = a, now = 1): Step =>
  step('putBlob', { repository, digest: blob, size: 4, content: bytes, uploadId: undefined, now })
const image = (text: string, tags: readonly string[] = [], repository = a): Step =>
  step('putManifest', manifestOf(repository, text, { references: [layer], tags: tags.map(parseTag), now: 2 }))
const index = (text: string, child: string): Step =>
  step(
    'putManifest',
    manifestOf(a, text, {
      references: [{ digest: digestOf(child), size: child.length, kind: 'manifest', required: true }],
      now: 3,
    }),
  )
const unlinkBlob = (repository = a): Step => step('unlinkBlob', { repository, digest: blob, now: 5 })
const deleteManifest = (text: string): Step =>
  step('deleteManifest', { repository: a, digest: digestOf(text), now: 6 })
const sparse = step(
  'putManifest',
  manifestOf(a, 'sparse', { references: [layer], allowMissing: true, now: 2 }),
)
const mount = step('mountBlob', { digest: blob, to: b, from: [a], now: 3 })
const upload = step('createUpload', { id: 'u', repository: a, algorithm: 'sha256', now: 4 })
const lost = step('dropBlob', { digest: blob, content: bytes, now: 7 })
const rotation = (id: string): Step => {
  const ages = { rotateAfter: 3_600_000, forgetAfter: 3_600_000 }
  return step('rotateSigningKey', { key: { id, privateKey: 'key', createdAt: 1 }, ...ages })
}
const marked = [putBlob(), unlinkBlob(), step('markBlobs', sweep)]

const pairs: Readonly<Record<string, Pair>> = {
  'a manifest beside the end of the grace period': {
    before: [putBlob()],
    one: image('m'),
    other: step('unlinkUnreferenced', sweep),
  },
  'a manifest beside the removal of its layer': { before: [putBlob()], one: image('m'), other: unlinkBlob() },
  'a manifest beside the loss of its layer': { before: [putBlob()], one: image('m'), other: lost },
  'a push beside the marking of the blob': {
    before: [putBlob(), unlinkBlob()],
    one: putBlob(b),
    other: step('markBlobs', sweep),
  },
  'a push beside the deletion of the blob': {
    before: marked,
    one: putBlob(b),
    other: step('deleteMarked', { ...sweep, before: 2000 }),
  },
  'a mount beside the removal at its source': { before: [putBlob()], one: mount, other: unlinkBlob() },
  'a mount beside the loss of the blob': { before: [putBlob()], one: mount, other: lost },
  'two removals of the last two links': {
    before: [putBlob(a), putBlob(b)],
    one: unlinkBlob(a),
    other: unlinkBlob(b),
  },
  'a HEAD beside the end of the grace period': {
    before: [putBlob()],
    one: step('touchBlob', { repository: a, digest: blob, now: 2000 }),
    other: step('unlinkUnreferenced', sweep),
  },
  'a sparse manifest beside the push of its layer': {
    before: [putBlob(b), upload],
    one: sparse,
    other: putBlob(a),
  },
  'an upload beside the end of its repository': {
    before: [putBlob(), unlinkBlob()],
    one: upload,
    other: step('dropEmptyRepositories', sweep),
  },
  'a blob beside the end of its repository': {
    before: [putBlob(), unlinkBlob()],
    one: putBlob(),
    other: step('dropEmptyRepositories', sweep),
  },
  'an index beside the deletion of its child': {
    before: [putBlob(), image('child')],
    one: index('index', 'child'),
    other: deleteManifest('child'),
  },
  'two images that move one tag': {
    before: [putBlob(), image('zero', ['t'])],
    one: image('one', ['t']),
    other: image('two', ['t']),
  },
  'a tag beside the deletion of its manifest': {
    before: [putBlob(), image('m', ['old'])],
    one: image('m', ['new']),
    other: deleteManifest('m'),
  },
  'two images with tags of their own': {
    before: [putBlob()],
    one: image('one', ['one']),
    other: image('two', ['two']),
  },
  'a tag that leaves an image beside a push of that image with another tag': {
    before: [putBlob(), image('m', ['t'])],
    one: image('other', ['t']),
    other: image('m', ['u']),
  },
  'a tag that leaves an image beside a push of that image by its digest': {
    before: [putBlob(), image('m', ['t'])],
    one: image('other', ['t']),
    other: image('m'),
  },
  'two tags that leave one image': {
    before: [putBlob(), image('m', ['t', 'u'])],
    one: image('one', ['t']),
    other: image('two', ['u']),
  },
  'two pushes of one image': { before: [putBlob()], one: image('m', ['t']), other: image('m', ['u']) },
  'an index beside its child': {
    before: [putBlob()],
    one: index('index', 'child'),
    other: image('child'),
  },
  'the first image of a blob beside a push of that blob': {
    before: [putBlob()],
    one: image('m'),
    other: putBlob(a, 2000),
  },
  'the first image of a blob beside a HEAD of that blob': {
    before: [putBlob()],
    one: image('m'),
    other: step('touchBlob', { repository: a, digest: blob, now: 2000 }),
  },
  'the first image of a blob beside a mount of that blob': {
    before: [putBlob(a), mount],
    one: image('m', [], b),
    other: mount,
  },
  'an optional layer beside the push of that layer': {
    before: [putBlob(b), upload],
    one: step(
      'putManifest',
      manifestOf(a, 'foreign', { references: [{ ...layer, required: false }], now: 2 }),
    ),
    other: putBlob(a),
  },
  'two deletions of images with one layer': {
    before: [putBlob(), image('one'), image('two')],
    one: deleteManifest('one'),
    other: deleteManifest('two'),
  },
  'two rotations of the signing keys': { before: [], one: rotation('one'), other: rotation('other') },
  'two pushes of the same new blob': { before: [], one: putBlob(), other: putBlob() },
}

const skip = missing('initdb', 'postgres')

suite('pairs of changes on PostgreSQL, stopped at every statement', { skip }, () => {
  let server: PostgresServer
  let locking: Interleaver
  let careless: Interleaver

  before(async () => {
    server = await PostgresServer.start(['deadlock_timeout=50ms', 'fsync=off'])
    locking = await Interleaver.open(server, 'locks')
    careless = await Interleaver.open(server, 'no locks')
  })
  after(async () => {
    locking.close()
    careless.close()
    await server.stop()
  })

  const turned = (pair: Pair): Pair => ({ ...pair, one: pair.other, other: pair.one })

  for (const [name, pair] of Object.entries(pairs)) {
    test(name, async (t) => {
      const found = [await locking.run(pair), await locking.run(turned(pair))]
      t.diagnostic(`${found.reduce((sum, { interleavings }) => sum + interleavings, 0)} interleavings`)
      assert.deepEqual(
        found.flatMap(({ problems }) => problems),
        [],
      )
      assert.ok(found.every(({ interleavings }) => interleavings >= 4))
      assert.equal(await locking.together(pair), undefined)
    })
  }

  test('without the locks, some are found that are not whole', async () => {
    const isEnough = (problems: readonly string[]): boolean => problems.length > 0
    const lost: string[] = []
    for (const [name, pair] of Object.entries(pairs)) {
      for (const each of [pair, turned(pair)]) {
        const { problems } = await careless.run(each, { isEnough })
        if (problems.length > 0) lost.push(`${name}: ${problems.join()}`)
      }
    }
    const known = ['putManifest stopped at', 'beside unlinkUnreferenced: a manifest whose content is gone']
    assert.ok(
      lost.some((text) => known.every((part) => text.includes(part))),
      lost.join('\n'),
    )
    assert.ok(lost.length >= 10, lost.join('\n'))
  })
})
