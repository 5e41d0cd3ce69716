import assert from 'node:assert/strict'
import { once } from 'node:events'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { MessageChannel, Worker } from 'node:worker_threads'
import { remoteMethods, ThreadChannel } from '../../src/messaging/thread-channel.ts'
import { OciError } from '../../src/oci/oci-error.ts'
import { UserError } from '../../src/user-error.ts'

interface Other {
  echo(text: string): Promise<string>
  hang(): Promise<void>
  refuse(): Promise<void>
  note(text: string): void
}

function pair(local: Partial<Other>): {
  readonly channel: ThreadChannel<Other>
  readonly ports: MessageChannel
} {
  const ports = new MessageChannel()
  new ThreadChannel(ports.port2, local)
  return { channel: new ThreadChannel<Other>(ports.port1), ports }
}

const settled = (call: Promise<unknown>): Promise<unknown> =>
  Promise.race([call.catch((error: Error) => error.message), sleep(2000, 'nothing')])

suite('two threads that call each other', () => {
  test('calls of one that has ended are refused, those that wait and those that come', async () => {
    const { channel, ports } = pair({
      echo: (text) => Promise.resolve(text),
      hang: () => new Promise(() => undefined),
    })
    assert.equal(await channel.call('echo', 'x'), 'x')
    const waiting = channel.call('hang')
    const closed = once(ports.port1, 'close')
    ports.port2.close()
    await closed
    assert.equal(await settled(waiting), 'the thread that answers has ended')
    assert.equal(await settled(channel.call('echo', 'y')), 'the thread that answers has ended')
    let told = false
    channel.onEnd(() => (told = true))
    assert.ok(told)
  })

  test('an error keeps its class, what it carries, and its cause', async () => {
    const cause = Object.assign(new Error('the disk is full'), { code: 'ENOSPC' })
    const errors = [
      new OciError('DENIED', 'no', { detail: { a: 1 }, headers: { 'Retry-After': '3' }, cause }),
      new UserError('PORT_TAKEN', 'taken', { hint: 'choose another', exitCode: 79, cause }),
      new RangeError('far', { cause }),
    ]
    for (const error of errors) {
      const { channel, ports } = pair({ refuse: () => Promise.reject(error) })
      const caught: unknown = await channel.call('refuse').catch((reason: unknown) => reason)
      ports.port1.close()
      assert.ok(caught instanceof Error)
      assert.equal(caught.name, error.name)
      assert.equal(caught.message, error.message)
      assert.equal(caught.stack, error.stack)
      assert.deepEqual({ ...(caught.cause as object) }, { name: 'Error', code: 'ENOSPC' })
      if (error instanceof OciError) {
        assert.ok(caught instanceof OciError)
        assert.deepEqual(
          [caught.detail, caught.headers, caught.entries],
          [error.detail, error.headers, error.entries],
        )
      }
      if (error instanceof UserError) {
        assert.ok(caught instanceof UserError)
        assert.deepEqual([caught.hint, caught.exitCode], ['choose another', 79])
      }
    }
  })

  test('what is told arrives in turn with what is called, and nobody waits for it', async () => {
    const seen: string[] = []
    const { channel, ports } = pair({
      note: (text) => {
        seen.push(text)
        throw new Error('nobody hears this')
      },
      echo: (text) => Promise.resolve(`${seen.join()} ${text}`),
    })
    channel.tell('note', ['a'])
    channel.tell('note', ['b'])
    assert.equal(await channel.call('echo', 'c'), 'a,b c')
    const { echo } = remoteMethods(channel, ['echo'])
    assert.equal(await echo('d'), 'a,b d')
    ports.port1.close()
  })

  test('only what the other side has itself can be called', async () => {
    const { channel, ports } = pair({})
    for (const name of ['toString', 'constructor', 'echo'] as const)
      await assert.rejects(channel.call(name as 'hang'), /no such call/)
    ports.port1.close()
  })

  test('who does not answer in time is waited for no longer', async () => {
    const { channel, ports } = pair({ hang: () => new Promise(() => undefined) })
    await assert.rejects(channel.callWithin(20, 'hang'), /did not answer in time/)
    ports.port1.close()
  })

  test('a worker that dies has its calls rejected with what it died of', async () => {
    const worker = new Worker('setTimeout(() => { throw new TypeError("a bug") }, 50)', { eval: true })
    // Heard from the start: a busy process may emit both events before the call's rejection is seen.
    const exited = new Promise((resolve) => worker.once('exit', resolve))
    const channel = new ThreadChannel<Other>(worker)
    await assert.rejects(channel.call('hang'), { message: 'a bug' })
    await exited
    await assert.rejects(new ThreadChannel<Other>(worker).call('hang'), /has ended/)
  })
})
