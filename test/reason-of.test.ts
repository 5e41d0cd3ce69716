import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, connect, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { reasonOf, stackOf } from '../src/reason-of.ts'

const nameless = 'no reason was given'
const cyclic = new Error('')
cyclic.cause = cyclic
const unreadable = {
  get message(): string {
    throw new Error('no')
  },
}

const rows: readonly (readonly [what: string, thrown: unknown, reason: string])[] = [
  ['an error', new Error('the disk is full'), 'the disk is full'],
  ['several lines', new Error('one\ntwo'), 'one\ntwo'],
  ['a cause beside a message', new Error('it is no JSON', { cause: new Error('secret') }), 'it is no JSON'],
  ['a cause without a message', new Error('', { cause: new Error('refused') }), 'refused'],
  ['a cause of a cause', new Error('', { cause: new Error('', { cause: 'cut' }) }), 'cut'],
  ['a cause that is itself', cyclic, 'Error'],
  ['an error of the system without words', Object.assign(new Error(''), { code: 'EPIPE' }), 'EPIPE'],
  ['nothing but a class', new RangeError(''), 'RangeError'],
  ['several errors', new AggregateError([new Error('a'), new Error('b'), new Error('a')]), 'a; b'],
  ['several errors with words', new AggregateError([new Error('a')], 'all failed'), 'all failed'],
  ['several in several', new AggregateError([new AggregateError([new Error('a')]), 'b']), 'a; b'],
  ['several of none', new AggregateError([]), 'AggregateError'],
  ['none, and a cause', new AggregateError([], '', { cause: new Error('why') }), 'why'],
  ['what an abort gives', AbortSignal.abort().reason, 'This operation was aborted'],
  ['a text', 'gone', 'gone'],
  ['an empty text', '', nameless],
  ['a number', 404, '404'],
  ['a symbol', Symbol('s'), 'Symbol(s)'],
  ['undefined', undefined, nameless],
  ['null', null, nameless],
  ['an error of another realm', { message: 'gone' }, 'gone'],
  ['an object', {}, nameless],
  ['an object without a prototype', Object.create(null), nameless],
  ['a message that is no text', { message: { text: 'gone' }, code: 7 }, nameless],
  ['a message that cannot be read', unreadable, nameless],
]

for (const [what, thrown, reason] of rows) {
  test(`the reason of what was thrown: ${what}`, () => assert.equal(reasonOf(thrown), reason))
}

test('a connection that no address takes has one reason for each, where its error has no message', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  const socket: Socket = connect({
    host: 'registry.test',
    port,
    autoSelectFamily: true,
    lookup: (_host, _options, done) =>
      done(null, [
        { address: '127.0.0.1', family: 4 },
        { address: '127.0.0.2', family: 4 },
      ]),
  })
  const [error] = (await once(socket, 'error')) as [Error]
  assert.equal(error.message, '')
  assert.equal(
    reasonOf(error),
    `connect ECONNREFUSED 127.0.0.1:${port}; connect ECONNREFUSED 127.0.0.2:${port}`,
  )
})

test('a reason is bounded, also where many errors stand in each other, and stays text', () => {
  const long = reasonOf(new Error('x'.repeat(100_000)))
  assert.equal(long.length, 8192)
  assert.ok(long.endsWith('x…'))
  assert.ok(reasonOf(new Error(`${'x'.repeat(8190)}😀 and more`)).isWellFormed())
  let nested: unknown = new Error('y'.repeat(10_000))
  for (let level = 0; level < 10; level++) nested = new AggregateError(Array(1000).fill(nested))
  assert.equal(reasonOf(nested), 'AggregateError')
  const wide = new AggregateError(Array.from({ length: 1000 }, (_, index) => new Error(`address ${index}`)))
  assert.equal(reasonOf(wide).split('; ').length, 8)
})

test('whatever is thrown has a reason', () => {
  const thrown = fc.anything({ withNullPrototype: true, withSparseArray: true, withBigInt: true })
  fc.assert(
    fc.property(
      fc.oneof(
        thrown,
        fc.record({ message: thrown, errors: thrown, cause: thrown, code: thrown, name: thrown }),
      ),
      (error) => {
        const reason = reasonOf(error)
        assert.ok(typeof reason === 'string' && reason.length > 0 && reason.length <= 8192)
      },
    ),
  )
})

test('the log gets the stack of an error, and the reason of what has none', () => {
  const error = new Error('the disk is full')
  assert.equal(stackOf(error), error.stack)
  assert.equal(stackOf(Object.assign(new Error('gone'), { stack: undefined })), 'gone')
  assert.equal(stackOf('gone'), 'gone')
  assert.equal(stackOf(undefined), nameless)
})
