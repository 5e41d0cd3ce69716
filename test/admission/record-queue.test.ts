import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AdmissionRecord } from '../../src/admission/admission-records.ts'
import {
  RecordQueue,
  ReportRefused,
  type RecordLimits,
  type ReportedEvent,
} from '../../src/admission/record-queue.ts'
import { parseAdmissionEvents } from '../../src/audit/admission-event.ts'
import { quiet } from '../registry/stores.ts'
import { eventually } from '../support/program.ts'

/** A registry that is away, refuses, or keeps what it gets. */
class Registry {
  state: 'up' | 'away' | 'frozen' | 'refusing' = 'up'
  readonly kept: ReportedEvent[] = []
  reports = 0

  async send(events: readonly ReportedEvent[], signal: AbortSignal): Promise<void> {
    this.reports++
    if (this.state === 'away') throw new Error('nobody listens')
    if (this.state === 'refusing') throw new ReportRefused('it cannot be read')
    if (this.state === 'frozen') {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      throw new Error('it took too long')
    }
    this.kept.push(...events)
  }
}

function queueOf(registry: Registry, limits: Partial<RecordLimits> = {}): RecordQueue {
  let id = 0
  return new RecordQueue({
    send: (events, signal) => registry.send(events, signal),
    now: Date.now,
    newId: () => `gap-${++id}`,
    log: quiet,
    limits: { patience: 100, sending: 200, firstPause: 5, longestPause: 20, ...limits },
  })
}

function denied(id: string, image = 'nginx'): AdmissionRecord {
  return {
    id,
    // The clock by which policies are judged has fractions.
    time: 1.5,
    review: {
      kind: 'pod',
      uid: 'u',
      operation: 'CREATE',
      namespace: 'team-a',
      object: 'Pod/web',
      user: { name: 'ann', groups: ['dev'] },
      isDryRun: false,
      isMirror: false,
      serviceAccount: 'default',
      images: [{ list: 'containers', name: 'app', image }],
    },
    outcome: 'denied',
    judgement: {
      warnings: [],
      findings: [
        {
          policy: 'production',
          outcome: 'denied',
          reason: 'NOT_ALLOWED',
          rule: undefined,
          exception: undefined,
        },
      ],
    },
    tenants: [],
  }
}

suite('records of decisions', () => {
  test('are with the registry before the review is answered, in a form that it reads', async () => {
    const registry = new Registry()
    const queue = queueOf(registry)
    await queue.record(denied('a'))
    const [event] = registry.kept
    assert.equal(event?.['id'], 'a')
    const parsed = parseAdmissionEvents(Buffer.from(JSON.stringify({ events: registry.kept })))
    assert.partialDeepStrictEqual(parsed, [
      { kind: 'decision', user: 'ann', namespace: 'team-a', object: 'Pod/web', images: ['nginx'] },
    ])
  })

  test('of the largest pod are cut to what the registry takes', async () => {
    const registry = new Registry()
    const huge = denied('a', 'x'.repeat(100_000))
    const images = Array.from({ length: 1000 }, (_, place) => ({
      list: 'containers' as const,
      name: `c${place}`,
      image: 'y'.repeat(5000),
    }))
    await queueOf(registry).record({
      ...huge,
      review: { ...huge.review, kind: 'template', images, object: `Pod/${'z'.repeat(5000)}` },
    })
    const body = Buffer.from(JSON.stringify({ events: registry.kept }))
    assert.ok(body.byteLength < 64 * 1024)
    assert.notEqual(parseAdmissionEvents(body), undefined)
  })

  test('hold up the first review for a moment, and no other, while the registry is frozen; none is lost', async () => {
    const registry = new Registry()
    const queue = queueOf(registry, { patience: 300, sending: 50 })
    registry.state = 'frozen'
    await queue.record(denied('a'))
    await eventually(() => {
      assert.equal(registry.reports > 1, true)
      return Promise.resolve()
    }, 5000)
    const second = queue.record(denied('b'))
    const first = await Promise.race([second.then(() => 'answered'), sleep(250, 'waiting')])
    assert.equal(first, 'answered')
    registry.state = 'up'
    await eventually(() => {
      assert.deepEqual(
        registry.kept.map(({ id }) => id),
        ['a', 'b'],
      )
      return Promise.resolve()
    }, 5000)
    assert.equal(queue.counts().lost, 0)
  })

  test('that find no room are counted, and a gap says so when the registry is back', async () => {
    const registry = new Registry()
    const queue = queueOf(registry, { events: 3 })
    registry.state = 'away'
    for (const id of ['a', 'b', 'c', 'd', 'e']) await queue.record(denied(id))
    assert.equal(queue.counts().lost, 2)
    registry.state = 'up'
    await eventually(() => {
      assert.deepEqual(
        registry.kept.map(({ kind, id, count }) => [kind, count ?? id]),
        [
          ['decision', 'a'],
          ['decision', 'b'],
          ['decision', 'c'],
          ['gap', 2],
        ],
      )
      return Promise.resolve()
    }, 5000)
    await queue.record(denied('f'))
    assert.equal(registry.kept.at(-1)?.['id'], 'f')
    assert.deepEqual(queue.counts(), { waiting: 0, waitingBytes: 0, kept: 4, lost: 2 })
  })

  test('take no more bytes than there is room for', async () => {
    const registry = new Registry()
    const queue = queueOf(registry, { bytes: 5000 })
    registry.state = 'away'
    for (let each = 0; each < 100; each++) await queue.record(denied(`r${each}`, 'i'.repeat(900)))
    const { waitingBytes, waiting, lost } = queue.counts()
    assert.ok(waitingBytes <= 5000)
    assert.equal(waiting + lost, 100)
    await queue.close(0)
  })

  test('that the registry refuses hold up no others', async () => {
    const registry = new Registry()
    const queue = queueOf(registry)
    registry.state = 'refusing'
    await queue.record(denied('a'))
    registry.state = 'up'
    await queue.record(denied('b'))
    await eventually(() => {
      assert.deepEqual(
        new Set(registry.kept.map(({ kind, id, count }) => `${String(kind)} ${String(count ?? id)}`)),
        new Set(['decision b', 'gap 1']),
      )
      return Promise.resolve()
    }, 5000)
    assert.equal(queue.counts().lost, 1)
  })

  test('of policies name who changed them', async () => {
    const registry = new Registry()
    await queueOf(registry).policy(
      { object: 'TrowPolicy/p', operation: 'UPDATE', user: 'ann', groups: [], document: {}, time: 5.5 },
      'sha256:1',
    )
    const parsed = parseAdmissionEvents(Buffer.from(JSON.stringify({ events: registry.kept })))
    assert.partialDeepStrictEqual(parsed, [
      { kind: 'policy', user: 'ann', object: 'TrowPolicy/p', hash: 'sha256:1' },
    ])
  })
})
