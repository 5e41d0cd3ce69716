import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { GarbageSchedule } from '../../src/serve/garbage/garbage-schedule.ts'
import { grace, openStores, quiet } from '../registry/stores.ts'

suite('the schedules of several processes', () => {
  test('collect once in an interval, whoever does it', async (context) => {
    const { metadata, blobs, close } = await openStores()
    const clocks = { wall: Date.now, monotonic: () => performance.now() }
    const policy = { grace, uploadExpiry: grace, untagged: [] }
    const parts = { metadata, blobs, log: quiet, clocks, policy, fsckRate: 0 }
    const interval = 600
    const schedules = ['a', 'b', 'c'].map(
      (holder) => new GarbageSchedule({ ...parts, holder }, () => interval),
    )
    const collections = (): number => schedules.reduce((sum, { totals }) => sum + totals.collections, 0)
    context.after(async () => {
      for (const schedule of schedules) await schedule.stop()
      await close()
    })
    const began = Date.now()
    for (const schedule of schedules) {
      schedule.start()
      await sleep(150)
    }
    while (collections() < 3) await sleep(20)
    // The first is due one interval after the start; a timer counts half an interval as a whole one at least.
    assert.ok(Date.now() - began >= interval + 2 * (interval / 2))
    assert.ok(
      schedules.every(({ totals }) => totals.lastCollection > 0),
      'each knows of the last one',
    )
  })
})
