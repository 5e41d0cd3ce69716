import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lastLogMessage } from '../../src/cluster/pod-log.ts'

const line = (entry: object): string => JSON.stringify({ time: '2026-11-24T07:00:00Z', ...entry })
const listening = line({ level: 'info', url: 'https://[::]:8443', msg: 'listening' })
const refused = line({ level: 'error', reason: 'no rights', msg: 'the API server refuses' })
const request = line({ method: 'GET', path: '/readyz', status: 503 })

test('of a log people are told the last error, else the last words, and never a request', () => {
  assert.equal(
    lastLogMessage([listening, refused, listening, request].join('\n')),
    'the API server refuses (no rights)',
  )
  assert.equal(lastLogMessage(`${listening}\n${request}\n`), 'listening')
  assert.equal(lastLogMessage(`${request}\n`), undefined)
  assert.equal(lastLogMessage(''), undefined)
})

test('of a stack trace they are told its head, of a line cut in two nothing', () => {
  const trace = ['Error: boom', '    at open (file:///app/a.js:1:2)', '  code: 1', '}', 'Node.js v26.10.0']
  assert.equal(lastLogMessage(trace.join('\n')), 'Error: boom')
  assert.equal(lastLogMessage("sleep: invalid number 'serve'"), "sleep: invalid number 'serve'")
  assert.equal(lastLogMessage('{"level":"error","msg":"cut'), undefined)
})

test('a pod of an earlier version, which wrote levels as numbers, is understood', () => {
  const log = [line({ level: 50, msg: 'the disk is full' }), line({ level: 30, msg: 'stopped' })]
  assert.equal(lastLogMessage(log.join('\n')), 'the disk is full')
})
