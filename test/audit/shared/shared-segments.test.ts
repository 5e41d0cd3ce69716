import assert from 'node:assert/strict'
import { suite } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { AuditAway } from '../../../src/audit/audit-away.ts'
import { eachLog } from '../../../src/audit/chain.ts'
import type { AuditChain } from '../../../src/metadata/audit-chain.ts'
import { missing } from '../../requirements.ts'
import { s3Programs } from '../../support/s3-server.ts'
import { eventually } from '../fixture.ts'
import { eventsOf, idsOf, problemsOf, SharedAudit, type Replica, type SharedPlace } from './shared-fixture.ts'

const skip = missing('initdb', 'postgres', ...s3Programs)
const segmentSize = 4000

/** Records one by one, so that each is a line of its own transaction and segments are closed in between. */
async function write(replica: Replica, ids: readonly string[]): Promise<void> {
  const writer = await replica.open({ segmentSize })
  for (const id of ids) {
    await replica.record(id)
    writer.wake()
    await eventually(async () => !(await replica.chain.waits('changes')), id)
  }
  await writer.close()
}

const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(3, '0')}`)
/** Problems, as `problem from-to in file`. */
const found = async (replica: Replica): Promise<string[]> =>
  (await problemsOf(replica)).map(
    ({ problem, seq, upTo, file }) => `${problem} ${seq}-${upTo}${file === undefined ? '' : ` in ${file}`}`,
  )

suite('segments of the shared audit log', { skip }, () => {
  const shared = new SharedAudit()

  shared.placed(
    'a query pages over the seams of segments and rows, and a follower gets each line once',
    async (place) => {
      const replica = place.replica()
      const all = names('e', 24)
      await write(replica, all)
      const segments = await replica.store.segments('changes')
      assert.ok(segments.length > 3, `${segments.length}`)
      assert.deepEqual(segments.map(({ sealed }) => sealed), segments.map((_, index) => index < segments.length - 1)) // prettier-ignore
      assert.deepEqual(await idsOf(replica), all)
      for (const limit of [1, 5, 13])
      assert.deepEqual((await eventsOf(replica, { repository: 'team-a/app' }, limit)).map(({ id }) => id), all.slice(-limit)) // prettier-ignore
      for (const step of [1, 3, 200]) {
        const cursor = replica.store.follow('changes', 2)
        const seqs: number[] = []
        for (let lines = await cursor.next(step); lines.length > 0; lines = await cursor.next(step))
          seqs.push(...lines.map(({ seq }) => seq))
        await cursor.close()
        const last = await replica.store.last('changes')
        assert.deepEqual(
          seqs,
          Array.from({ length: last - 2 }, (_, index) => index + 3),
        )
      }
    },
  )

  shared.placed('what is read as rows goes on in the object while it is sealed', async (place) => {
    const dead = place.replica({ chain: (own) => without(own, 'seal') })
    await write(dead, names('e', 12))
    const cursor = dead.store.follow('changes', 0)
    const segment = (await dead.store.segments('changes'))[0]
    assert.equal(segment?.sealed, false)
    const raw = dead.store.lines(segment)
    const seqs = (await cursor.next(2)).map(({ seq }) => seq)
    const first = await raw.next()
    await sealLeft(place)
    for (let lines = await cursor.next(2); lines.length > 0; lines = await cursor.next(2))
      seqs.push(...lines.map(({ seq }) => seq))
    const last = await dead.store.last('changes')
    assert.deepEqual(
      seqs,
      Array.from({ length: last }, (_, index) => index + 1),
    )
    const lines = [first.value, ...(await Array.fromAsync(raw))]
    assert.equal(lines.length, last)
  })

  for (const step of ['put', 'seal'] as const) {
    shared.placed(
      `one dies before ${step}: another seals, and there is one object of each segment`,
      async (place) => {
        const dead = place.replica({ chain: (own) => (step === 'seal' ? without(own, 'seal') : own) })
        if (step === 'put') dead.objects.put = () => Promise.reject(new Error('the process has ended'))
        const all = names('e', 12)
        await write(dead, all)
        assert.equal((await place.objects()).length > 0, step === 'seal')
        assert.equal((await place.sql(`select 1 from audit_segment where state = 'sealed'`)).length, 0)
        assert.deepEqual(await idsOf(dead), all)
        assert.deepEqual(await found(dead), [])
        const before = await place.objects()
        await sealLeft(place)
        const segments = await place.sql(`select state from audit_segment where log = 'changes'`)
        assert.ok(segments.length > 1 && segments.every(({ state }) => state === 'sealed'))
        const objects = await place.objects()
        assert.equal(objects.length, segments.length)
        for (const name of before) assert.ok(objects.includes(name), name)
        assert.deepEqual(await idsOf(dead), all)
        assert.deepEqual(await found(dead), [])
        const ends = `select max(last) as sealed, (select min(seq) from audit_line where log = 'changes') as row
          from audit_segment where log = 'changes'`
        const [end] = await place.sql(ends)
        assert.equal(Number(end?.['row']), Number(end?.['sealed']) + 1)
      },
    )
  }

  shared.placed('two that seal the same segment do it once', async (place) => {
    const dead = place.replica({ chain: (own) => without(own, 'seal') })
    await write(dead, names('e', 12))
    const [one, other] = [place.replica(), place.replica()]
    const [segment] = await one.chain.segments('changes')
    const [object = ''] = await place.objects()
    const sealed = { first: segment?.first ?? 0, object: `audit/changes/${object}`, size: 10 }
    await Promise.all([one.chain.seal('changes', sealed), other.chain.seal('changes', sealed)])
    assert.deepEqual(await idsOf(dead), names('e', 12))
    assert.deepEqual(await found(dead), [])
  })

  shared.placed(
    'verify finds an edited row, one that was removed, and an end that was cut off',
    async (place) => {
      const replica = place.replica()
      await write(replica, names('e', 4))
      assert.deepEqual(await found(replica), [])
      const last = await replica.store.last('changes')
      const edit = `update audit_line set line = replace(line, 'builder', 'nobody') where log = 'changes' and seq = ${last - 1}`
      await place.sql(edit)
      assert.deepEqual(await found(replica), [`edited ${last - 1}-${last - 1} in the database`])
      await place.sql(`delete from audit_line where log = 'changes' and seq = ${last - 1}`)
      assert.deepEqual(await found(replica), [`removed ${last - 1}-${last - 1}`])
      await place.sql(`delete from audit_line where log = 'changes' and seq = ${last}`)
      assert.deepEqual(await found(replica), [`cut ${last - 1}-${last}`])
    },
  )

  shared.placed('verify finds an edited object, and one that was removed', async (place) => {
    const replica = place.replica()
    await write(replica, names('e', 12))
    assert.deepEqual(await found(replica), [])
    const [, second] = await replica.store.segments('changes')
    const { file = '', first = 0 } = second ?? {}
    const bytes = Buffer.concat(await Array.fromAsync((await replica.objects.open(file)) ?? []))
    const text = gunzipSync(bytes).toString().replace('builder', 'nobody')
    await replica.objects.put(file, gzipSync(text))
    assert.deepEqual(await found(replica), [`edited ${first}-${first} in ${file}`])
    await replica.objects.put(file, bytes.subarray(0, bytes.length - 20))
    assert.match((await found(replica))[0] ?? '', new RegExp(`unreadable .* in ${file}`))
    await replica.objects.remove(file)
    const [, , third] = await replica.store.segments('changes')
    assert.deepEqual(await found(replica), [`removed ${first}-${(third?.first ?? 0) - 1}`])
  })

  shared.placed('verify tells a bucket that is away from a log that was changed', async (place) => {
    const replica = place.replica()
    await write(replica, names('e', 12))
    const { open } = replica.objects
    replica.objects.open = () => Promise.reject(new Error('no answer'))
    await assert.rejects(found(replica), AuditAway)
    replica.objects.open = open.bind(replica.objects)
    assert.deepEqual(await found(replica), [])
  })

  shared.placed(
    'retention takes sealed segments, records it first, and an object that stayed goes later',
    async (place) => {
      const replica = place.replica()
      await write(replica, names('e', 16))
      const objects = await place.objects()
      const keeps = (bytes: number): { retention: Record<'changes' | 'denials' | 'pulls', { age: number; bytes: number }> } =>
      ({ retention: eachLog(() => ({ age: 1e12, bytes })) }) // prettier-ignore
      const { remove } = replica.objects
      replica.objects.remove = () => Promise.reject(new Error('the process has ended'))
      await (await replica.open({ segmentSize, ...keeps(2000) })).close()
      assert.deepEqual(await place.objects(), objects)
      assert.deepEqual(await found(replica), [])
      const left = await idsOf(replica)
      assert.ok(left.length > 0 && left.length < 16, `${left.length}`)
      replica.objects.remove = remove.bind(replica.objects)
      await (await replica.open({ segmentSize, ...keeps(1e12) })).close()
      assert.ok((await place.objects()).length < objects.length)
      assert.deepEqual(await found(replica), [])
      assert.deepEqual(await idsOf(replica), left)
      const pruned = await Array.fromAsync(prunedOf(replica))
      assert.ok(pruned.length === 1)
    },
  )

  shared.placed('a segment ends with its day', async (place) => {
    const replica = place.replica()
    const writer = await replica.open()
    await replica.record('yesterday')
    await eventually(async () => !(await replica.chain.waits('changes')), 'the first')
    await place.sql(`update audit_head set opened_at = opened_at - 86400000`)
    await replica.record('today')
    await eventually(async () => (await place.objects()).length === 1, 'an object')
    await writer.close()
    assert.deepEqual(await idsOf(replica), ['yesterday', 'today'])
    assert.deepEqual(await found(replica), [])
  })
})

async function* prunedOf({ store }: Replica): AsyncGenerator<string> {
  for (const segment of await store.segments('changes'))
    for await (const { bytes } of store.lines(segment))
      if (bytes.includes('"type":"io.trow.audit.pruned.v1"')) yield bytes.toString()
}

/** A process that dies before it does this. */
function without(own: AuditChain, step: 'seal'): AuditChain {
  const ended = (): Promise<never> => Promise.reject(new Error('the process has ended'))
  return Object.assign(own, { [step]: ended })
}

/** Another process finds what the dead have left, after its minute. */
async function sealLeft(place: SharedPlace): Promise<void> {
  await place.sql(`update audit_segment set claimed_at = 0`)
  await (await place.replica().open()).close()
}
