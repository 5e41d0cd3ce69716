import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { beginning, chainLine, isIntact, parseLine } from '../../src/audit/chain.ts'
import { accessEvent } from '../../src/audit/cloud-event.ts'
import { decodeAuditRecord, encodeAuditRecord, type AuditRecord } from '../../src/audit/audit-record.ts'
import { auditRecordOf } from './records.ts'

const source = '/trow/test'
const eventOf = (auditRecord: AuditRecord): string =>
  accessEvent(auditRecord, { source, facts: undefined, row: undefined })

suite('the event of an access', () => {
  test('has the members of CloudEvents 1.0, and says who did what, from where, and why', () => {
    const facts = {
      digest: 'sha256:abc',
      size: 7,
      tags: [{ name: '1.0', before: null }],
      secret: 'not a fact',
    }
    const merged = { count: 3, first: 1000, last: 2000 }
    const event = JSON.parse(accessEvent(auditRecordOf('id-1'), { source, facts, row: 12, merged })) as object
    assert.deepEqual(event, {
      specversion: '1.0',
      id: 'id-1',
      source: '/trow/test',
      type: 'io.trow.push.allowed.v1',
      time: '2026-11-24T07:00:00.000Z',
      subject: 'team-a/app:1.0',
      datacontenttype: 'application/json',
      data: {
        decision: 'allow',
        reason: 'rule 3 of trow.yaml',
        action: 'push',
        actor: {
          user: 'system:serviceaccount:team-a:builder',
          groups: ['system:serviceaccounts'],
          auth: 'kubernetes',
          credentialId: 'JTI=1234',
          serviceAccount: { namespace: 'team-a', name: 'builder' },
          pod: 'builder-7d9f',
          node: 'n1',
        },
        repository: 'team-a/app',
        reference: '1.0',
        digest: 'sha256:abc',
        size: 7,
        tags: [{ name: '1.0', before: null }],
        client: { ip: '10.0.0.1', userAgent: 'docker/29.1' },
        requestId: 'request-id-1',
        method: 'PUT',
        route: '/v2/<name>/manifests/<reference>',
        status: 201,
        count: 3,
        firstTime: '1970-01-01T00:00:01.000Z',
        lastTime: '1970-01-01T00:00:02.000Z',
        row: 12,
      },
    })
  })

  test('names a digest as references do, and has no empty subject', () => {
    const subject = (extra: Partial<AuditRecord>): unknown =>
      (JSON.parse(eventOf(auditRecordOf('x', extra))) as { subject?: string }).subject
    assert.equal(subject({ reference: 'sha256:ab' }), 'team-a/app@sha256:ab')
    assert.equal(subject({ reference: undefined }), 'team-a/app')
    assert.equal(subject({ repository: undefined, reference: undefined }), undefined)
  })

  test('whatever a client sends, it is one line of bounded length that the chain takes back', () => {
    const text = fc.string({ unit: 'binary', maxLength: 3000 })
    fc.assert(
      fc.property(text, text, text, fc.array(text, { maxLength: 80 }), (agent, reference, reason, groups) => {
        const auditRecord = auditRecordOf('x', {
          reference,
          reason,
          client: { address: agent, userAgent: agent },
        })
        const sent = decodeAuditRecord(
          encodeAuditRecord({ ...auditRecord, actor: { ...auditRecord.actor, name: agent, groups } }),
        )
        assert.ok(sent !== undefined)
        const event = eventOf(sent)
        assert.ok(!/[\n\r\0]/.test(event))
        assert.ok(Buffer.byteLength(event) < 160_000, String(Buffer.byteLength(event)))
        JSON.parse(event)
        const line = parseLine(Buffer.from(chainLine('pulls', beginning, event).line))
        assert.ok(line !== undefined && isIntact('pulls', line))
        assert.equal(line.event.toString(), event)
      }),
      { numRuns: 200 },
    )
  })

  test('takes over nothing but what it names, and no query string', () => {
    const canary = 'canary-secret'
    const auditRecord = {
      ...auditRecordOf('x', {
        reference: `1.0?token=${canary}`,
        request: { id: 'r', method: 'GET', route: `/token?password=${canary}` },
      }),
      authorization: canary,
      headers: { cookie: canary },
    }
    const withPassword = { ...auditRecord.actor, password: canary }
    const noted = encodeAuditRecord({ ...auditRecord, actor: withPassword })
    assert.ok(!noted.includes(canary))
    assert.ok(!eventOf(decodeAuditRecord(noted) as AuditRecord).includes(canary))
  })

  test('a text that is no note is none', () => {
    for (const text of ['', 'null', '{}', '{"id":1}', '[]', '{"id":"x","time":1,"actor":null}']) {
      assert.equal(decodeAuditRecord(text), undefined, text)
    }
  })
})
