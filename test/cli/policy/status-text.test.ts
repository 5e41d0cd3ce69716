import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { statusText } from '../../../src/cli/policy/status-command.ts'
import type { PolicyStatus } from '../../../src/policy-store/policy-status.ts'

const now = Date.parse('2026-11-29T08:00:00Z')
const status = (more: Partial<PolicyStatus>): PolicyStatus => ({
  source: 'the folder /p',
  generation: 3,
  hash: 'sha256:0',
  inForceSince: now - 60_000,
  lastSync: now - 500,
  away: undefined,
  fromDisk: false,
  ok: true,
  units: [],
  notes: [],
  ...more,
})

suite('the status of policies in words', () => {
  test('says since when the source is silent, and why it is away', () => {
    const notes = ['the folder /p was not heard for 10 s']
    const text = statusText(status({ lastSync: now - 34_000, away: 'EACCES', ok: false, notes }), now)
    assert.match(text, /^source {4}the folder \/p, heard 34 s ago\naway {6}EACCES: what is in force stays\n/)
    assert.match(text, /\nnote {6}the folder \/p was not heard for 10 s\n/)
  })

  test('says what a start judges by until the source was read', () => {
    const text = statusText(status({ lastSync: undefined, fromDisk: true, ok: false }), now)
    assert.match(
      text,
      /^source {4}the folder \/p, heard never\nin force {2}generation 3 since 2026-11-29T07:59:00\.000Z\n/,
    )
    assert.match(text, /\n {10}as it was last good on disk: the source has not been read yet\n/)
  })

  test('says what the floor of the cluster is, and what is wrong with it', () => {
    const floor = [
      { description: 'the floor refuses', result: 'success' },
      {
        description: 'it is ours',
        result: 'warning',
        error: 'somebody has written it',
        hint: 'It is put right',
      },
    ] as const
    assert.match(
      statusText(status({ lastSync: now }), now, { floor }),
      /\nfloor {5}the floor refuses\nfloor {5}somebody has written it\. It is put right\n/,
    )
  })

  test('says when exceptions end', () => {
    const exception = (name: string, expires: number, isLive = true) => ({ kind: 'TrowException' as const, name, hash: '', expires, isLive, policies: ['p', 'q'], reason: 'r' }) // prettier-ignore
    const objects = [
      exception('a', now + 86_400_000 * 3.5),
      exception('b', now + 1000),
      exception('c', now - 1000, false),
    ]
    const text = statusText(status({ units: [{ name: 'e.yaml', problems: [], objects }] }), now)
    assert.match(
      text,
      /\nno policies\n\nEXCEPTION .*\na .* 3 d left +r\nb .* ends within a day +r\nc .* ended +r\n$/,
    )
  })
})
