import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toldBy } from '../../src/cluster/pod-log.ts'

const line = (entry: object): string => JSON.stringify({ time: '2026-11-24T07:00:00Z', ...entry })
const listening = line({ level: 30, url: 'https://[::]:8443', msg: 'listening' })
const refused = line({ level: 50, reason: 'no rights', msg: 'the API server refuses' })
const request = line({ method: 'GET', path: '/readyz', status: 503 })

test('of a log people are told the last error, else the last words, and never a request', () => {
  assert.equal(
    toldBy([listening, refused, listening, request].join('\n')),
    'the API server refuses (no rights)',
  )
  assert.equal(toldBy(`${listening}\n${request}\n`), 'listening')
  assert.equal(toldBy(`${request}\n`), undefined)
  assert.equal(toldBy(''), undefined)
})

test('of a stack trace they are told its head, of a line cut in two nothing', () => {
  const trace = ['Error: boom', '    at open (file:///app/a.js:1:2)', '  code: 1', '}', 'Node.js v26.10.0']
  assert.equal(toldBy(trace.join('\n')), 'Error: boom')
  assert.equal(toldBy("sleep: invalid number 'serve'"), "sleep: invalid number 'serve'")
  assert.equal(toldBy('{"level":50,"msg":"cut'), undefined)
})
