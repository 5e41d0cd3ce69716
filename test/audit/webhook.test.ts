import assert from 'node:assert/strict'
import { createHmac, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { encodeAuditRecord } from '../../src/audit/audit-record.ts'
import { WebhookSink } from '../../src/audit/webhook-sink.ts'
import { HttpWebhookSender } from '../../src/audit/webhook-sender.ts'
import { FolderStore } from '../../src/audit/stores/folder/folder-store.ts'
import { eventually, openFixture, type AuditFixture } from './fixture.ts'
import { auditRecordOf, quiet } from './records.ts'

interface Received {
  readonly headers: IncomingMessage['headers']
  readonly body: string
  readonly status: number
}

suite('the webhook of the audit', () => {
  let fixture: AuditFixture
  let server: Server
  let url: string
  const received: Received[] = []
  const senders: HttpWebhookSender[] = []
  /** Status codes of the next answers, then 204. 0: the connection is cut after the body was read. */
  const answers: number[] = []

  beforeEach(async () => {
    fixture = openFixture()
    received.length = answers.length = 0
    server = createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (text: string) => (body += text))
      request.on('end', () => {
        const status = answers.shift() ?? 204
        received.push({ headers: request.headers, body, status })
        if (status === 0) response.destroy()
        else response.writeHead(status, status === 302 ? { location: url } : {}).end('thank you')
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/audit?from=trow`
  })
  afterEach(async () => {
    await fixture.close()
    for (const sender of senders.splice(0)) await sender.close()
    server.closeAllConnections()
    server.close()
  })

  const sinkOf = (extra: { readonly mostLag?: number; readonly mostBytes?: number } = {}): WebhookSink => {
    const sender = new HttpWebhookSender({ url, ca: undefined })
    senders.push(sender)
    return new WebhookSink({
      lines: new FolderStore(fixture.auditFolder),
      sender,
      heads: fixture.metadata.outbox,
      secret: 'the secret',
      instance: 'test',
      logger: quiet,
      now: () => fixture.clock.now,
      newId: randomUUID,
      firstWait: 10,
      ...extra,
    })
  }
  const record = (...ids: string[]): Promise<void> =>
    fixture.metadata.outbox.record(
      ids.map((id) => encodeAuditRecord(auditRecordOf(id))),
      1,
    )
  const taken = (): { id: string; type: string; data: Record<string, unknown> }[] =>
    received
      .filter(({ status }) => status === 204)
      .flatMap(
        ({ body }) => JSON.parse(body) as { id: string; type: string; data: Record<string, unknown> }[],
      )
  const ids = (): string[] =>
    taken()
      .map(({ id }) => id)
      .filter((id) => /^e\d+$/.test(id))

  test('what is too large for one body goes in several, each with an id of its own', async () => {
    const writer = await fixture.open({ sinks: [sinkOf({ mostBytes: 5000 })] })
    const all = Array.from({ length: 60 }, (_, i) => `e${i}`)
    await record(...all)
    await eventually(() => ids().length === 60, 'all events')
    const used = received.map(({ headers }) => headers['webhook-id'])
    assert.ok(used.length > 5, `${used.length} bodies`)
    assert.equal(new Set(used).size, used.length)
    assert.deepEqual(ids(), all)
    await writer.close()
  })

  test('sends every event in order, signed, and again until it is taken', async () => {
    answers.push(500, 0, 302, 429)
    const writer = await fixture.open({ sinks: [sinkOf()] })
    const all = Array.from({ length: 250 }, (_, i) => `e${i}`)
    await record(...all)
    await eventually(() => ids().length === 250, 'all events')
    assert.deepEqual(ids(), all)
    assert.deepEqual(received.slice(0, 4).map(({ status }) => status), [500, 0, 302, 429]) // prettier-ignore
    for (const { headers, body } of received) {
      const id = String(headers['webhook-id'])
      const timestamp = String(headers['webhook-timestamp'])
      assert.equal(Number(timestamp), fixture.clock.now / 1000)
      const signature = createHmac('sha256', 'the secret')
        .update(`${id}.${timestamp}.${body}`)
        .digest('base64')
      assert.equal(headers['webhook-signature'], `v1,${signature}`)
      assert.match(String(headers['content-type']), /^application\/cloudevents-batch\+json/)
    }
    assert.equal(received[0]?.headers['webhook-id'], received[4]?.headers['webhook-id'])
    await eventually(() => writer.health.sinks[0]?.lag === 0, 'no lag')
    assert.equal(writer.health.sinks[0]?.problem, undefined)
  })

  test('a receiver that is away holds up nothing, and gets what it missed, also after a restart', async () => {
    answers.push(...Array<number>(10_000).fill(503))
    const first = await fixture.open({ sinks: [sinkOf()] })
    await record('e1', 'e2')
    await eventually(() => received.length > 1, 'a try')
    await eventually(async () => (await fixture.events()).length === 2, 'the log')
    await first.close()
    assert.equal(first.health.sinks[0]?.problem, 'it answered 503')
    await (await fixture.open()).close()
    answers.length = 0
    const second = await fixture.open({ sinks: [sinkOf()] })
    await record('e3')
    await eventually(() => ids().includes('e3'), 'the last event')
    assert.deepEqual(ids(), ['e1', 'e2', 'e3'])
    await second.close()
    await record('e4')
    await (await fixture.open()).close()
    const third = await fixture.open({ sinks: [sinkOf()] })
    await eventually(() => ids().includes('e4'), 'what was missed')
    assert.deepEqual(ids(), ['e1', 'e2', 'e3', 'e4'])
    await third.close()
  })

  test('denials that were not sent before the first restart with a log of them are sent', async () => {
    // A position stored by an older trow, which wrote denials to the log of changes.
    await fixture.metadata.outbox.saveHead('sink-webhook', JSON.stringify({ changes: 0, pulls: 0 }))
    answers.push(...Array<number>(10_000).fill(503))
    await fixture.metadata.outbox.denials.record(
      [encodeAuditRecord(auditRecordOf('e1', { outcome: 'denied' }))],
      1,
    )
    await (await fixture.open({ sinks: [sinkOf()] })).close()
    answers.length = 0
    const writer = await fixture.open({ sinks: [sinkOf()] })
    await eventually(() => ids().includes('e1'), 'the denial')
    await writer.close()
  })

  test('who is told for the first time is not told what was long ago', async () => {
    await record('e1')
    await (await fixture.open()).close()
    await fixture.open({ sinks: [sinkOf()] })
    await record('e2')
    await eventually(() => ids().includes('e2'), 'the event')
    assert.deepEqual(ids(), ['e2'])
  })

  test('one that is too far behind is told what it was not sent', async () => {
    answers.push(...Array<number>(10_000).fill(503))
    const first = await fixture.open({ sinks: [sinkOf()] })
    await first.close()
    await fixture.metadata.outbox.saveHead('sink-webhook', JSON.stringify({ changes: 1, pulls: 0 }))
    await record(...Array.from({ length: 50 }, (_, i) => `e${i}`))
    await (await fixture.open()).close()
    answers.length = 0
    const writer = await fixture.open({ sinks: [sinkOf({ mostLag: 10 })] })
    await eventually(() => ids().includes('e49'), 'the last event')
    const gap = taken().find(({ type }) => type === 'io.trow.audit.gap.v1')
    assert.equal((gap?.data['missing'] as { from: number } | undefined)?.from, 2)
    assert.ok(ids().length <= 11 && ids().at(-1) === 'e49')
    // The receiver has the events slightly before the sink has its answer.
    await eventually(
      () => writer.health.sinks[0]?.skipped === gap?.data['count'],
      'the count of what was skipped',
    )
  })
})
