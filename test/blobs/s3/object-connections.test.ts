import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'
import { suite, test, type TestContext } from 'node:test'
import tls from 'node:tls'
import { setImmediate as turn } from 'node:timers/promises'
import { ObjectConnections } from '../../../src/blobs/s3/object-connections.ts'
import { issue } from '../../support/self-signed.ts'

type Answering = (socket: Socket, request: number) => unknown

/** A server that answers each request as it is told, and the connections to it. */
async function start(t: TestContext, answering: Answering, { secure = false, limit = 4 } = {}) {
  const sockets: Socket[] = []
  let requests = 0
  const listener = (socket: Socket): void => {
    sockets.push(socket)
    let asked = ''
    socket.on('error', () => undefined)
    socket.on('data', (data) => {
      asked += data.toString('latin1')
      for (let end = asked.indexOf('\r\n\r\n'); end >= 0; end = asked.indexOf('\r\n\r\n')) {
        asked = asked.slice(end + 4)
        void answering(socket, requests++)
      }
    })
  }
  const server = secure ? tls.createServer(await certificate(), listener) : net.createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const connections = new ObjectConnections(`http${secure ? 's' : ''}://127.0.0.1:${port}`, limit)
  t.after(() => {
    connections.close()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const get = (signal?: AbortSignal) => connections.get('/object', { host: 'test' }, signal)
  return { get, sockets, connections, asked: () => requests }
}

async function certificate(): Promise<tls.TlsOptions> {
  const { cert, key } = await issue('127.0.0.1', new Date(Date.now() + 3_600_000))
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), cert])
  return { cert, key }
}

const head = (length: number, status = '200 OK'): string =>
  `HTTP/1.1 ${status}\r\nContent-Length: ${length}\r\n\r\n`

/** Looks at each chunk when the next ones have had time to arrive, as one does who sends it on. */
async function digestOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of body) {
    for (let turns = 0; turns < 5; turns++) await turn()
    hash.update(chunk)
  }
  return hash.digest('hex')
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

suite('connections for objects', () => {
  for (const secure of [false, true]) {
    test(`bodies of every size come whole over one connection, ${secure ? 'with' : 'without'} TLS`, async (t) => {
      const contents = [0, 1, 131_072, 1_000_000, 5_000_000, 17].map((size) => randomBytes(size))
      const { get, sockets } = await start(
        t,
        (socket, request) => {
          const content = contents[request] as Buffer
          socket.write(head(content.length))
          socket.write(content)
        },
        { secure },
      )
      for (const content of contents) {
        const { status, headers, body } = await get()
        assert.deepEqual([status, headers['content-length']], [200, String(content.length)])
        assert.equal(await digestOf(body), sha256(content))
      }
      assert.equal(sockets.length, 1)
    })
  }

  test('a head in pieces, after one that is only told meanwhile', async (t) => {
    const { get } = await start(t, async (socket) => {
      socket.setNoDelay(true)
      for (const byte of `HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n${head(3)}`) {
        socket.write(byte)
        await turn()
      }
      socket.write('abc')
    })
    const { status, body } = await get()
    assert.equal(status, 200)
    assert.equal(await digestOf(body), sha256(Buffer.from('abc')))
  })

  for (const [name, document] of [
    ['a document', '<Error><Code>NoSuchKey</Code></Error>'],
    ['no document', ''],
  ] as const) {
    test(`an error in chunks, with ${name}, ends with its last chunk`, { timeout: 20_000 }, async (t) => {
      const chunk = document === '' ? '' : `${document.length.toString(16)}\r\n${document}\r\n`
      const { get } = await start(t, (socket) => {
        socket.write(`HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}0\r\n`)
        setImmediate(() => socket.write('\r\n'))
      })
      const { status, body } = await get()
      const text = Buffer.concat(await Array.fromAsync(body, (part) => Buffer.from(part))).toString()
      assert.equal(status, 404)
      assert.ok(text.includes(document))
    })
  }

  test('content whose length is not told is refused', async (t) => {
    const { get } = await start(t, (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n')
    })
    await assert.rejects(get(), /does not say how long/)
  })

  test('a body that is cut, or longer than announced, is an error', async (t) => {
    const { get } = await start(t, (socket, request) => {
      if (request === 0) socket.end(`${head(10)}abc`)
      else socket.write(`${head(3)}abcd`)
    })
    await assert.rejects(digestOf((await get()).body), /closed within an answer/)
    await assert.rejects(digestOf((await get()).body), /longer than announced/)
  })

  test('a request that meets the end of an unused connection is sent again', async (t) => {
    const { get, asked, sockets } = await start(t, (socket, request) => {
      if (request === 1) socket.destroy()
      else socket.write(`${head(2)}ok`)
    })
    assert.equal(await digestOf((await get()).body), sha256(Buffer.from('ok')))
    assert.equal(await digestOf((await get()).body), sha256(Buffer.from('ok')))
    assert.deepEqual([asked(), sockets.length], [3, 2])
  })

  test('a new connection that is closed without an answer is an error', async (t) => {
    const { get, asked } = await start(t, (socket) => socket.destroy())
    await assert.rejects(get())
    assert.equal(asked(), 1)
  })

  test('a body that is not read to its end gives its place to the next', { timeout: 20_000 }, async (t) => {
    const { get, sockets } = await start(t, (socket) => socket.write(`${head(1_000_000)}begin`), { limit: 1 })
    const first = await get()
    const second = get()
    first.body.destroy()
    const third = get()
    ;(await second).body.destroy()
    ;(await third).body.destroy()
    assert.equal(sockets.length, 3)
  })

  test(
    'a signal ends a request that waits for its answer, or for its turn',
    { timeout: 20_000 },
    async (t) => {
      const { get } = await start(t, () => undefined, { limit: 1 })
      const [answer, place] = [new AbortController(), new AbortController()]
      const [waiting, queued] = [get(answer.signal), get(place.signal)]
      place.abort(new Error('its turn'))
      await assert.rejects(queued, /its turn/)
      answer.abort(new Error('its answer'))
      await assert.rejects(waiting, /its answer/)
    },
  )
})
