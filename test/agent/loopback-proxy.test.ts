import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, suite, test } from 'node:test'
import { buffer, text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { EndpointPool, type Target } from '../../src/agent/endpoint-pool.ts'
import { LoopbackProxy, type ProxyTimes } from '../../src/agent/loopback-proxy.ts'

const cleanUp: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const action of cleanUp.splice(0).reverse()) await action()
})

suite('loopback proxy', () => {
  test('carries bytes both ways and passes on the end of each by itself', async () => {
    // Answers only when the whole question has arrived: half-close.
    const registry = await serve(async (socket) => {
      let question = ''
      socket.on('data', (piece: Buffer) => (question += piece.toString()))
      socket.on('end', () => void socket.end(`answer to ${question}`))
    })
    const { port } = await proxyTo([registry])
    const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    client.end('a question')
    assert.equal(await text(client), 'answer to a question')
  })

  test('carries 64 MiB to fifty readers at once, unchanged', async () => {
    const content = randomBytes(64 * 1024 * 1024)
    const piece = content.subarray(0, 1024 * 1024)
    const registry = await serve(async (socket) => {
      const [first] = (await once(socket, 'data')) as [Buffer]
      socket.end(first.toString() === 'all' ? content : piece)
    })
    const { port } = await proxyTo([registry])
    const read = async (what: string): Promise<string> => {
      const client = connect({ port, host: '127.0.0.1' })
      client.write(what)
      return digest(await buffer(client))
    }
    const answers = await Promise.all(['all', ...Array.from({ length: 49 }, () => 'piece')].map(read))
    assert.deepEqual([...new Set(answers)], [digest(content), digest(piece)])
  })

  test('stops the sender while the reader does not read', async () => {
    let sent = 0
    const registry = await serve(async (socket) => {
      const piece = Buffer.alloc(256 * 1024)
      const send = (): void => {
        while (socket.writable) {
          sent += piece.length
          if (!socket.write(piece)) break
        }
      }
      socket.on('drain', send)
      send()
    })
    const { port } = await proxyTo([registry])
    const client = connect({ port, host: '127.0.0.1' })
    client.pause()
    await once(client, 'connect')
    let last = -1
    for (let quiet = 0; quiet < 5; quiet = sent === last ? quiet + 1 : 0) {
      last = sent
      await sleep(100)
      assert.ok(sent < 256 * 1024 * 1024, 'an idle reader does not make memory grow')
    }
    client.destroy()
  })

  test('a pod that does not serve yet is tried last, and taken as soon as it listens', async () => {
    const { port, pool } = await proxyTo([])
    const starting = await serve(async (socket) => void socket.end('starting'))
    const serving = await serve(async (socket) => void socket.end('serving'))
    const late = { ...starting.target, node: 'n1', ready: false, serving: false }
    pool.setEndpoints([late, { ...serving.target, node: 'n2', ready: true, serving: true }])
    assert.equal(await ask(port), 'serving')
    await serving.close()
    assert.equal(await ask(port), 'starting')
  })

  test('prefers a ready pod of its own node, and takes the next where one does not answer', async () => {
    const named = async (name: string): Promise<Served> => serve(async (socket) => void socket.end(name))
    const [far, near, going] = [await named('far'), await named('near'), await named('going')]
    const { port, pool } = await proxyTo([])
    const at = (server: Served, node: string, ready = true) => ({
      ...server.target,
      node,
      ready,
      serving: true,
    })
    pool.setEndpoints([at(going, 'n1', false), at(far, 'n2'), at(near, 'n1')])
    assert.equal(await ask(port), 'near')
    await near.close()
    assert.equal(await ask(port), 'far')
    await far.close()
    assert.equal(await ask(port), 'going', 'a pod that is terminating still serves')
  })

  test('falls back to the address of the Service', async () => {
    const [gone, service] = [
      await serve(async () => {}),
      await serve(async (socket) => void socket.end('service')),
    ]
    await gone.close()
    const { port, pool } = await proxyTo([gone])
    pool.setFallbacks([service.target])
    assert.equal(await ask(port), 'service')
  })

  test('holds a connection while there is no endpoint, and lets go of it in time', async () => {
    const { port, pool } = await proxyTo([], { hold: 60_000 })
    const answer = ask(port)
    await sleep(50)
    const registry = await serve(async (socket) => void socket.end('here now'))
    pool.setEndpoints([{ ...registry.target, node: 'n2', ready: true, serving: true }])
    assert.equal(await answer, 'here now')

    const short = await proxyTo([], { hold: 100 })
    assert.equal(await ask(short.port), '')
  })

  test('lets go soon where nobody has served for long, and holds again after somebody has', async () => {
    const { port, pool } = await proxyTo([], { hold: 60_000, briefHold: 50, gone: 200 })
    const held = ask(port)
    await sleep(300)
    const late = connect({ port, host: '127.0.0.1' })
    assert.equal(await Promise.race([text(late), sleep(5000, 'held')]), '')
    late.destroy()
    const registry = await serve(async (socket) => void socket.end('here now'))
    const endpoint = { ...registry.target, node: 'n2', ready: true }
    pool.setEndpoints([{ ...endpoint, serving: true }])
    assert.equal(await held, 'here now')
    pool.setEndpoints([])
    const again = ask(port)
    await sleep(100)
    pool.setEndpoints([{ ...endpoint, serving: false }])
    assert.equal(await again, 'here now')
  })

  test('a registry that breaks off in the middle ends the client, whatever that was about to say', async () => {
    const broken = await serve(async (socket) => {
      await once(socket, 'data')
      // The first half of the answer arrives before the reset.
      socket.write('half an answer', () => void setTimeout(() => socket.resetAndDestroy(), 50))
    })
    const { port, proxy } = await proxyTo([broken])
    const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    const talk = setInterval(() => client.write('and more '), 5)
    let heard = ''
    client.on('data', (piece: Buffer) => (heard += piece.toString()))
    client.write('hello')
    try {
      // Rejects if the client is reset.
      await once(client, 'end')
      assert.equal(heard, 'half an answer')
      await sleep(50)
    } finally {
      clearInterval(talk)
    }
    assert.equal(client.errored, null)
    client.end('the last')
    await once(client, 'close')
    while (proxy.connections > 0) await sleep(5)
  })

  test('a client that breaks off resets the registry', async () => {
    const { port, pool } = await proxyTo([])
    const seen = Promise.withResolvers<unknown>()
    const patient = await serve(async (socket) => {
      socket.on('error', seen.resolve)
      socket.resume()
    })
    pool.setEndpoints([{ ...patient.target, node: 'n1', ready: true, serving: true }])
    const client = connect({ port, host: '127.0.0.1' })
    client.on('error', () => {})
    client.write('half a request')
    while (patient.sockets.size === 0) await sleep(5)
    client.resetAndDestroy()
    assert.equal(((await seen.promise) as NodeJS.ErrnoException).code, 'ECONNRESET')
  })

  test('what was said to one that breaks off without an answer is said to the next', async () => {
    for (const breakOff of ['resetAndDestroy', 'end'] as const) {
      let asked = 0
      const leaving = await serve(async (socket) => {
        await once(socket, 'data')
        asked++
        socket[breakOff]()
      })
      const coming = await serve(
        async (socket) => void socket.end(`answer to ${String(await once(socket, 'data'))}`),
      )
      const { port, pool } = await proxyTo([leaving], { hold: 60_000 })
      const answer = ask(port, 'a hello')
      while (asked === 0) await sleep(5)
      pool.setEndpoints([{ ...coming.target, node: 'n2', ready: true, serving: true }])
      assert.equal(await answer, 'answer to a hello')

      const short = await proxyTo([leaving], { hold: 100 })
      assert.equal(await ask(short.port, 'a hello'), '')
    }
  })

  test('one that is silent is not waited for: the next hears the same, and so do those that come after it', async () => {
    const heard: string[] = []
    const frozen = await serve(async (socket) => {
      heard.push('frozen')
      socket.resume()
    })
    const second = await serve(
      async (socket) => void socket.end(`answer to ${String(await once(socket, 'data'))}`),
    )
    const { port, pool } = await proxyTo([], { hold: 60_000, answer: 100 })
    pool.setEndpoints([
      { ...frozen.target, node: 'n1', ready: true, serving: true },
      { ...second.target, node: 'n2', ready: true, serving: true },
    ])
    assert.equal(await ask(port, 'a hello'), 'answer to a hello')
    assert.equal(await ask(port, 'a hello'), 'answer to a hello')
    assert.deepEqual(heard, ['frozen'], 'a connection that is taken and not answered is no reason for trust')
    while ([...frozen.sockets].some(({ destroyed }) => !destroyed)) await sleep(5)
  })

  test('a hello in pieces is said whole to each, whenever they come', async () => {
    const frozen = await serve(async (socket) => void socket.resume())
    const second = await serve(async (socket) => {
      let question = ''
      socket.on('data', (piece: Buffer) => {
        question += piece.toString()
        if (question === 'a hello') socket.end('heard it')
      })
    })
    const { port } = await proxyTo([frozen, second], { hold: 60_000, answer: 100 })
    const client = connect({ port, host: '127.0.0.1', noDelay: true })
    const answer = text(client)
    for (const [at, piece] of 'a hello'.split('').entries()) {
      client.write(piece)
      if (at < 6) await sleep(40)
    }
    assert.equal(await answer, 'heard it')
  })

  test('one that is slow is not given up: neither before its first byte, where no other answers, nor after it', async () => {
    const waits: (() => void)[] = []
    const slow = await serve(async (socket) => {
      await once(socket, 'data')
      await new Promise<void>((resolve) => waits.push(resolve))
      socket.write('slow ')
      await sleep(400)
      socket.end('and whole')
    })
    const frozen = await serve(async (socket) => void socket.resume())
    const { port, pool } = await proxyTo([], { hold: 300, answer: 100 })
    const endpoint = { ready: true, serving: true }
    pool.setEndpoints([
      { ...slow.target, node: 'n1', ...endpoint },
      { ...frozen.target, node: 'n2', ...endpoint },
    ])
    const answer = ask(port, 'a hello')
    await sleep(500)
    waits[0]?.()
    assert.equal(await answer, 'slow and whole')
  })

  test('a client that says nothing is no reason to doubt an endpoint', async () => {
    const registry = await serve(async (socket) => void socket.pipe(socket))
    const { port, pool } = await proxyTo([registry], { answer: 50 })
    const client = connect({ port, host: '127.0.0.1' })
    await once(client, 'connect')
    await sleep(300)
    assert.equal(registry.sockets.size, 1)
    client.write('late')
    assert.equal(String((await once(client, 'data'))[0]), 'late')
    pool.setEndpoints([])
    client.destroy()
  })

  test('told to stop it refuses new connections and keeps open ones until they are done', async () => {
    const registry = await serve(async (socket) => void socket.pipe(socket))
    const { port, proxy } = await proxyTo([registry])
    const client = connect({ port, host: '127.0.0.1' })
    client.write('before ')
    await once(client, 'data')
    let closed = false
    const closing = proxy.close(60_000).then(() => (closed = true))
    await assert.rejects(ask(port), { code: 'ECONNREFUSED' })
    client.write('after')
    assert.equal(String((await once(client, 'data'))[0]), 'after')
    assert.equal(closed, false)
    client.end()
    await closing
  })

  test('cuts what is not done within the limit', async () => {
    const registry = await serve(async (socket) => void socket.resume())
    const { port, proxy } = await proxyTo([registry])
    const client = connect({ port, host: '127.0.0.1' })
    client.on('error', () => {})
    await once(client, 'connect')
    while (registry.sockets.size === 0) await sleep(5)
    const ended = once(client, 'close')
    await proxy.close(50)
    await ended
  })

  test('a port that is taken is an error with the system’s code', async () => {
    const other = await serve(async () => {})
    await assert.rejects(LoopbackProxy.listen(other.target.port, pool()), { code: 'EADDRINUSE' })
  })
})

interface Served {
  readonly target: Target
  readonly sockets: ReadonlySet<Socket>
  close(): Promise<void>
}

async function serve(answer: (socket: Socket) => Promise<void>): Promise<Served> {
  const sockets = new Set<Socket>()
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    void answer(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  }
  cleanUp.push(close)
  return { target: { host: '127.0.0.1', port: (server.address() as AddressInfo).port }, sockets, close }
}

function pool(): EndpointPool {
  return new EndpointPool({ node: 'n1', now: () => Date.now(), random: () => 0.5 })
}

async function proxyTo(
  registries: readonly Served[],
  times: Partial<ProxyTimes> = {},
): Promise<{ port: number; pool: EndpointPool; proxy: LoopbackProxy }> {
  const endpoints = pool()
  endpoints.setEndpoints(
    registries.map(({ target }) => ({ ...target, node: 'n1', ready: true, serving: true })),
  )
  const proxy = await LoopbackProxy.listen(0, endpoints, times)
  cleanUp.push(() => proxy.close(0))
  return { port: proxy.port, pool: endpoints, proxy }
}

async function ask(port: number, question?: string): Promise<string> {
  const client = connect({ port, host: '127.0.0.1' })
  if (question !== undefined) client.write(question)
  return text(client)
}

function digest(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
