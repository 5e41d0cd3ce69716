import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { FailureDelays } from '../../src/access/failures.ts'
import { networkOf } from '../../src/access/network.ts'

suite('delays of failures', () => {
  let now = 1_000_000
  const fresh = (capacity?: number): FailureDelays =>
    new FailureDelays({ now: () => now, ...(capacity === undefined ? {} : { capacity }) })
  const fail = (delays: FailureDelays, name: string, source: string): number => {
    const attempt = delays.begin(name, source)
    return attempt.kind === 'wait' ? attempt.milliseconds : 0
  }

  test('three are free, then it doubles to half a minute, and a quarter of an hour forgets it', () => {
    const delays = fresh()
    const waits: number[] = []
    for (let n = 0; n < 10; n++) {
      assert.equal(fail(delays, 'alice', '10.0.0.1'), 0)
      const wait = delays.waiting('alice', '10.0.0.1')
      if (wait > 0) assert.equal(fail(delays, 'alice', '10.0.0.1'), wait)
      waits.push(wait)
      now += wait
    }
    assert.deepEqual(waits, [0, 0, 0, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
    now += 15 * 60_000 + 1
    assert.equal(fail(delays, 'alice', '10.0.0.1'), 0)
    assert.equal(delays.waiting('alice', '10.0.0.1'), 0)
  })

  test('neither a neighbour behind the same proxy nor the same name elsewhere waits', () => {
    const delays = fresh()
    for (let n = 0; n < 5; n++) fail(delays, 'alice', '10.0.0.1')
    assert.ok(delays.waiting('alice', '10.0.0.1') > 0)
    assert.equal(delays.waiting('bob', '10.0.0.1'), 0)
    assert.equal(delays.waiting('alice', '10.0.0.2'), 0)
  })

  test('attempts that are made at once count before any of them has failed', () => {
    const delays = fresh()
    const kinds = Array.from({ length: 20 }, () => delays.begin('alice', '10.0.0.1').kind)
    assert.equal(kinds.filter((kind) => kind === 'go').length, 4)
  })

  test('success clears the pair; an attempt that nobody could judge leaves no trace', () => {
    const delays = fresh()
    for (let n = 0; n < 3; n++) fail(delays, 'alice', '10.0.0.1')
    const attempt = delays.begin('alice', '10.0.0.1')
    assert.ok(attempt.kind === 'go')
    assert.ok(delays.waiting('alice', '10.0.0.1') > 0)
    attempt.undone()
    assert.equal(delays.waiting('alice', '10.0.0.1'), 0)
    const again = delays.begin('alice', '10.0.0.1')
    assert.ok(again.kind === 'go')
    again.succeeded()
    for (let n = 0; n < 3; n++) assert.equal(fail(delays, 'alice', '10.0.0.1'), 0)
    assert.equal(delays.waiting('alice', '10.0.0.1'), 0)
  })

  test('one source that goes through names is slowed to one a second after a hundred', () => {
    const delays = fresh()
    let went = 0
    while (delays.begin(`name${went}`, '10.0.0.1').kind === 'go') went++
    assert.equal(went, 100)
    now += 5000
    went = 0
    while (delays.begin(`other${went}`, '10.0.0.1').kind === 'go') went++
    assert.equal(went, 5)
    assert.ok(delays.waiting('somebody', '10.0.0.1') > 0)
  })

  test('one name that many sources guess is slowed after fifty', () => {
    const delays = fresh()
    let went = 0
    while (delays.begin('alice', `10.0.1.${went}`).kind === 'go') went++
    assert.equal(went, 50)
    assert.equal(delays.waiting('bob', '10.0.1.1'), 0)
  })

  test('what is remembered is bounded, and the latest stays', () => {
    const delays = fresh(100)
    for (let n = 0; n < 1000; n++) fail(delays, `n${n}`, `10.1.${n >> 8}.${n & 255}`)
    for (let n = 0; n < 4; n++) fail(delays, 'alice', '10.0.0.1')
    for (let n = 0; n < 90; n++) fail(delays, `m${n}`, `10.2.0.${n}`)
    assert.ok(delays.waiting('alice', '10.0.0.1') > 0)
    for (let n = 0; n < 100; n++) fail(delays, `k${n}`, `10.3.0.${n}`)
    assert.equal(delays.waiting('alice', '10.0.0.1'), 0)
  })

  test('an IPv6 network is one source, and IPv4 in IPv6 is IPv4', () => {
    assert.equal(networkOf('2001:db8:0:1::5'), networkOf('2001:db8:0:1:ffff::'))
    assert.notEqual(networkOf('2001:db8:0:1::5'), networkOf('2001:db8:0:2::5'))
    assert.equal(networkOf('::ffff:10.0.0.1'), '10.0.0.1')
    assert.equal(networkOf('::1'), '0:0:0:0::/64')
    assert.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0::/64')
    assert.equal(networkOf('nonsense'), 'nonsense')
  })
})
