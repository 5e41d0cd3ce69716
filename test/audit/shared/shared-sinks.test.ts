import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { suite } from 'node:test'
import type { SinkTurn } from '../../../src/audit/sink-turn.ts'
import { WebhookSink, type WebhookSender } from '../../../src/audit/webhook-sink.ts'
import { verifierOf, type HeadWitness, type WitnessedHeads } from '../../../src/audit/log-head.ts'
import { verifyLog } from '../../../src/audit/verify.ts'
import { webhookTurn } from '../../../src/serve/audit/audit-sinks.ts'
import { missing } from '../../requirements.ts'
import { s3Programs } from '../../support/s3-server.ts'
import { eventually } from '../fixture.ts'
import { quiet } from '../records.ts'
import { eventsOf, problemsOf, SharedAudit, type Replica } from './shared-fixture.ts'

const skip = missing('initdb', 'postgres', ...s3Programs)

/** What one process sends; `isDead`: it gets no answer from anybody. */
class Receiver {
  readonly ids: string[] = []
  isDead = false

  readonly sender = {
    send: async ({ body }: { readonly body: string }) => {
      if (this.isDead) throw new Error('no answer')
      this.ids.push(...(JSON.parse(body) as { id: string }[]).map(({ id }) => id))
      return { status: 204, retryAfter: undefined }
    },
  } satisfies WebhookSender

  get own(): string[] {
    return this.ids.filter((id) => /^r\d/.test(id))
  }
}

const names = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `r${String(from + index).padStart(4, '0')}`)

class Memory implements HeadWitness {
  readonly name = 'a memory'
  data: WitnessedHeads = {}
  read = (): Promise<WitnessedHeads> => Promise.resolve(this.data)
  write(heads: WitnessedHeads): Promise<void> {
    this.data = { ...this.data, ...heads }
    return Promise.resolve()
  }
}

suite('sinks and witnesses of several processes', { skip }, () => {
  const shared = new SharedAudit()

  const sinkOf = ({ store, metadata }: Replica, receiver: Receiver): WebhookSink => {
    const own = webhookTurn(metadata.garbage, randomUUID())
    const turn: SinkTurn = {
      take: () => (receiver.isDead ? Promise.reject(new Error('no answer')) : own.take()),
      release: () => (receiver.isDead ? Promise.reject(new Error('no answer')) : own.release()),
    }
    const { sender } = receiver
    return new WebhookSink({
      lines: store,
      sender,
      heads: metadata.outbox,
      secret: 'the secret',
      turn,
      turnEvery: 20,
      instance: 'test',
      logger: quiet,
      now: Date.now,
      newId: randomUUID,
      firstWait: 10,
    })
  }

  shared.placed(
    'one at a time sends to the webhook, and another goes on where it has ended',
    async (place) => {
      const [one, other] = [place.replica(), place.replica()]
      const [first, second] = [new Receiver(), new Receiver()]
      const writer = await one.open({ sinks: [sinkOf(one, first)] })
      await eventually(async () => (await place.sql(`select 1 from lease where name = 'audit-webhook'`)).length === 1, 'the turn') // prettier-ignore
      await other.open({ sinks: [sinkOf(other, second)] })
      const before = names(0, 60)
      for (const id of before) await (Number(id.slice(1)) % 2 === 0 ? one : other).record(id)
      await eventually(() => first.own.length === before.length, 'all events')
      assert.deepEqual([...first.own].sort(), before)
      assert.deepEqual(second.own, [])
      // It dies: nobody hears of it any more, and it has not said that it ends.
      first.isDead = true
      const after = names(100, 20)
      await other.record(...after)
      await place.sql(`update lease set expires_at = 0 where name = 'audit-webhook'`)
      await eventually(() => first.own.length + second.own.length === 80, 'the rest')
      await writer.close()
      const all = (await eventsOf(one)).map(({ id }) => id)
      assert.deepEqual([...first.own, ...second.own], all)
    },
  )

  shared.placed(
    'a witness gets the newest head of all, and finds a database that was put back',
    async (place) => {
      const [one, other] = [place.replica(), place.replica()]
      const witness = new Memory()
      await one.open({ witness })
      await other.open({ witness })
      await other.record('r1')
      await one.record('r2')
      await eventually(async () => !(await one.chain.waits('changes')), 'the records')
      await place.end()
      const reader = place.replica()
      const { outbox } = reader.metadata
      assert.equal(witness.data.changes, await outbox.head('changes'))
      const verifier = await verifierOf(outbox)
      const verify = async (): Promise<unknown[]> => {
        const head = await outbox.head('changes')
        const log = { lines: reader.store, log: 'changes', head, verifier, witnessed: witness.data } as const
        const events = await Array.fromAsync(verifyLog(log))
        return events.filter(({ kind }) => kind === 'problem')
      }
      assert.deepEqual(await verify(), [])
      const last = await reader.store.last('changes')
      const [before] = await place.sql(
        `select line from audit_line where log = 'changes' and seq = ${last - 1}`,
      )
      const hash = /"hash":"(\w+)"/.exec(String(before?.['line']))?.[1]
      await place.sql(`delete from audit_line where log = 'changes' and seq = ${last}`)
      await place.sql(`update audit_head set seq = ${last - 1}, hash = '${hash}' where log = 'changes'`)
      await place.sql(`delete from setting where name = 'audit-head-changes'`)
      assert.equal((await verify()).length, 1)
      const third = place.replica()
      await (await third.open({ witness })).close()
      const kept = await third.store.last('changes')
      assert.ok(kept > last)
      const problems = await problemsOf(third)
      assert.deepEqual(problems.map(({ problem, seq, upTo }) => [problem, seq, upTo]), [['removed', last, last]]) // prettier-ignore
    },
  )
})
