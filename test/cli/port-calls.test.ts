import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { MessageChannel } from 'node:worker_threads'
import { callsTo, serveCalls } from '../../src/cli/serve/port-calls.ts'

interface Other {
  echo(text: string): Promise<string>
  hang(): Promise<void>
}

const other: Other = {
  echo: (text) => Promise.resolve(text),
  hang: () => new Promise(() => undefined),
}

test('calls of a thread that has ended are refused, those that wait and those that come', async () => {
  const { port1, port2 } = new MessageChannel()
  serveCalls(port2, other, ['echo', 'hang'])
  const calls = callsTo<Other>(port1)
  assert.equal(await calls.echo('x'), 'x')
  const waiting = calls.hang()
  const closed = once(port1, 'close')
  port2.close()
  await closed
  const settled = (call: Promise<unknown>): Promise<unknown> =>
    Promise.race([call.catch((error: Error) => error.message), sleep(2000, 'nothing')])
  assert.equal(await settled(waiting), 'the thread that answers has ended')
  assert.equal(await settled(calls.echo('y')), 'the thread that answers has ended')
})
