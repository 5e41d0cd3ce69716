import assert from 'node:assert/strict'
import { once } from 'node:events'
import { suite, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { CoherentCache } from '../../../src/metadata/cache/coherent-cache.ts'
import { Generations, hashOf, slotOf } from '../../../src/metadata/cache/generations.ts'
import { SharedCache, type SharedEntry } from '../../../src/metadata/cache/shared-cache.ts'
import { manifestForm } from '../../../src/metadata/cache/shared-forms.ts'
import type { ManifestRecord } from '../../../src/metadata/records.ts'
import type { Digest } from '../../../src/oci/digest.ts'

const smallest = 64 * 1024

function keyOf(key: string, kind = 1, hash = hashOf(key)) {
  return { kind, key, hash }
}

function entry(text: string, bytes?: Uint8Array): SharedEntry {
  return { first: 1, second: undefined, title: 'title', text, bytes, slot: 2, generation: 4 }
}

suite('the cache of all threads', () => {
  test('what is put is found whole, by every thread', () => {
    const cache = SharedCache.create(smallest)
    const other = SharedCache.attach(cache.buffer, 0)
    const put: SharedEntry = {
      first: 2 ** 52,
      second: undefined,
      title: 'sha256:é',
      text: '',
      bytes: Buffer.from([0, 255, 7]),
      slot: 65_535,
      generation: -2,
    }
    other.put(keyOf('a/b:latest'), put)
    assert.deepEqual(cache.get(keyOf('a/b:latest')), put)
    assert.equal(cache.get(keyOf('a/b:other')), undefined)
  })

  test('entries of one hash stay apart by key and by kind', () => {
    const cache = SharedCache.attach(SharedCache.create(smallest).buffer, 0)
    cache.put(keyOf('one', 1, 5), entry('one'))
    assert.equal(cache.get(keyOf('two', 1, 5)), undefined)
    assert.equal(cache.get(keyOf('one', 2, 5)), undefined)
    assert.equal(cache.get(keyOf('one', 1, 5))?.text, 'one')
  })

  test('no bytes and none are two things', () => {
    const cache = SharedCache.attach(SharedCache.create(smallest).buffer, 0)
    cache.put(keyOf('none'), entry('none'))
    cache.put(keyOf('empty'), entry('empty', Buffer.alloc(0)))
    assert.equal(cache.get(keyOf('none'))?.bytes, undefined)
    assert.equal(cache.get(keyOf('empty'))?.bytes?.byteLength, 0)
  })

  test('what is found is a copy: nobody changes what others find', () => {
    const cache = SharedCache.attach(SharedCache.create(smallest).buffer, 0)
    cache.put(keyOf('k'), entry('', Buffer.from('body')))
    cache.get(keyOf('k'))?.bytes?.fill(0)
    assert.equal(Buffer.from(cache.get(keyOf('k'))?.bytes ?? []).toString(), 'body')
  })

  test('what does not fit a segment, or is not Latin-1, is not kept', () => {
    const cache = SharedCache.attach(SharedCache.create(smallest).buffer, 0)
    cache.put(keyOf('large'), entry('', Buffer.alloc(smallest)))
    cache.put(keyOf('wide'), entry('Ω'))
    assert.equal(cache.get(keyOf('large')), undefined)
    assert.equal(cache.get(keyOf('wide')), undefined)
  })

  test('a thread that died over its lock is forgiven', () => {
    const { buffer } = SharedCache.create(smallest)
    const cache = SharedCache.attach(buffer, 3)
    new Int32Array(buffer)[0] = 4
    cache.put(keyOf('k'), entry(''))
    assert.equal(cache.get(keyOf('k')), undefined, 'the lock is held')
    cache.reclaim(2)
    cache.put(keyOf('k'), entry(''))
    assert.equal(cache.get(keyOf('k')), undefined, 'by another than thread 2')
    cache.reclaim(3)
    cache.put(keyOf('k'), entry(''))
    assert.notEqual(cache.get(keyOf('k')), undefined)
  })

  test('the newest stay when the oldest go, and nothing is ever taken for something else', () => {
    const puts = fc.array(fc.tuple(fc.nat(400), fc.nat(400)), { minLength: 50, maxLength: 400 })
    fc.assert(
      fc.property(puts, (steps) => {
        const cache = SharedCache.attach(SharedCache.create(smallest).buffer, 0)
        const model = new Map<string, string>()
        for (const [number, size] of steps) {
          const key = `key ${number}`
          const text = `${key}/${size}/`.padEnd(size, 'x')
          cache.put(keyOf(key), entry(text, Buffer.from(text)))
          model.set(key, text)
          const found = cache.get(keyOf(key))
          assert.equal(found?.text, text)
          assert.equal(found.bytes?.toString(), text)
        }
        for (const [key, text] of model) {
          const found = cache.get(keyOf(key))
          if (found !== undefined) assert.equal(found.text, text)
        }
      }),
    )
  })

  test('threads that put and get at once, over many rounds of the whole memory, meet whole entries only', async () => {
    const { buffer } = SharedCache.create(smallest)
    const module = new URL('shared-cache-thread.ts', import.meta.url)
    const threads = [0, 1, 2].map((number) => new Worker(module, { workerData: { buffer, number } }))
    const results = await Promise.all(
      threads.map(async (thread) => (await once(thread, 'message'))[0] as { found: number; wrong: string[] }),
    )
    for (const { found, wrong } of results) {
      assert.deepEqual(wrong, [])
      assert.ok(found > 1000, `${found} entries were found`)
    }
  })
})

suite('a coherent cache before the cache of all threads', () => {
  const manifest = (text: string): ManifestRecord => {
    const body = Buffer.from(text)
    return { digest: 'sha256:aa' as Digest, mediaType: 'm/t', size: body.byteLength, body }
  }
  const size = ({ body }: ManifestRecord): number => body.byteLength

  function twoThreads(): {
    generations: Generations
    one: CoherentCache<ManifestRecord>
    other: CoherentCache<ManifestRecord>
  } {
    const generations = new Generations()
    const shared = SharedCache.attach(SharedCache.create(smallest).buffer, 0)
    const make = (): CoherentCache<ManifestRecord> =>
      new CoherentCache(generations, 10_000, manifestForm(shared))
    return { generations, one: make(), other: make() }
  }

  test('what one thread has read, another does not read again', () => {
    const { one, other } = twoThreads()
    const read = manifest('v1')
    assert.deepEqual(
      one.get('a:b', () => read, size),
      read,
    )
    const again = other.get('a:b', () => assert.fail('it was read again'), size)
    assert.deepEqual(again, read)
  })

  test('a change ends it for every thread', async () => {
    const { generations, one, other } = twoThreads()
    for (let ask = 0; ask < 3; ask++) await one.get('a:b', () => manifest('v1'), size)
    const slots = [slotOf(hashOf('a:b'))]
    generations.invalidate(slots)
    const [second, third] = [
      await other.get('a:b', () => manifest('v2'), size),
      await one.get('a:b', () => manifest('v3'), size),
    ]
    assert.equal(second?.body.toString(), 'v2', 'while it is committed')
    assert.equal(third?.body.toString(), 'v3', 'and nothing of that is kept')
    generations.renew(slots)
    const fourth = await one.get('a:b', () => manifest('v4'), size)
    assert.equal(fourth?.body.toString(), 'v4')
    const kept = await other.get('a:b', () => assert.fail('read'), size)
    assert.equal(kept?.body.toString(), 'v4')
  })

  test('what was on its way during a change is given to who asked, and kept for nobody', async () => {
    const { generations, one, other } = twoThreads()
    const slots = [slotOf(hashOf('a:b'))]
    for (let ask = 0; ask < 3; ask++) {
      const { promise, resolve } = Promise.withResolvers<ManifestRecord>()
      const asked = one.get('a:b', () => promise, size)
      generations.invalidate(slots)
      generations.renew(slots)
      resolve(manifest('old'))
      assert.equal((await asked)?.body.toString(), 'old')
    }
    for (const cache of [other, one]) {
      const found = await cache.get('a:b', () => Promise.resolve(manifest('new')), size)
      assert.equal(found?.body.toString(), 'new')
    }
    const kept = await one.get('a:b', () => assert.fail('what came later and holds is kept'), size)
    assert.equal(kept?.body.toString(), 'new')
  })

  test('what is asked for again and again comes closer: no copy is made of it any more', async () => {
    const { one } = twoThreads()
    const ask = async (): Promise<ManifestRecord | undefined> => one.get('a:b', () => manifest('v1'), size)
    const [first, second, third, fourth] = [await ask(), await ask(), await ask(), await ask()]
    assert.notEqual(first, second)
    assert.equal(third, fourth)
  })
})
