import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { RecentCache } from '../src/recent-cache.ts'

suite('a cache of what was used lately', () => {
  test('holds as many as its limit at least, and twice as many at most', () => {
    const cache = new RecentCache<number, string>(10)
    for (let each = 0; each < 100; each++) cache.set(each, `v${each}`)
    const left = Array.from({ length: 100 }, (_, each) => each).filter(
      (each) => cache.get(each) !== undefined,
    )
    assert.ok(left.length >= 10 && left.length <= 20, String(left.length))
    assert.equal(left.at(-1), 99)
  })

  test('what is asked for again and again stays', () => {
    const cache = new RecentCache<string, number>(10)
    cache.set('wanted', 1)
    for (let each = 0; each < 100; each++) {
      cache.set(`other ${each}`, each)
      assert.equal(cache.get('wanted'), 1)
    }
  })

  test('counts what weighs, once where an entry is replaced', () => {
    const cache = new RecentCache<string, string>(100, (text) => text.length)
    cache.set('early', 'y')
    for (let each = 0; each < 50; each++) cache.set('same', 'x'.repeat(9))
    for (let each = 0; each < 15; each++) cache.set(`some ${each}`, 'z'.repeat(9))
    assert.equal(cache.get('early'), 'y')
    for (let each = 0; each < 25; each++) cache.set(`more ${each}`, 'z'.repeat(9))
    assert.equal(cache.get('early'), undefined)
  })

  test('is empty once it is cleared', () => {
    const cache = new RecentCache<string, number>(1)
    cache.set('a', 1)
    cache.set('b', 2)
    cache.clear()
    assert.deepEqual([cache.get('a'), cache.get('b')], [undefined, undefined])
  })
})
