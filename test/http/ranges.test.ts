import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { startedServer, type ServerProcess } from '../support/server-process.ts'
import { RawSocket } from './raw-socket.ts'

const blobBytes = 4_000_000
const most = 1024

suite('several ranges of a blob', () => {
  let server: ServerProcess
  let folder = ''
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'trow-ranges-'))
    server = await startedServer({ data: join(folder, 'data'), args: ['--workers', '1'] })
  })
  after(async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  async function push(content: Uint8Array<ArrayBuffer>): Promise<string> {
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`
    const pushed = await fetch(`${server.url}/v2/ranges/blobs/uploads/?digest=${digest}`, {
      method: 'POST',
      body: content,
    })
    assert.equal(pushed.status, 201)
    return `/v2/ranges/blobs/${digest}`
  }
  const get = (path: string, ranges: readonly string[]): Promise<Response> =>
    fetch(`${server.url}${path}`, { headers: { range: `bytes=${ranges.join(',')}` } })
  /** Ranges far apart, so that none can be joined. */
  const spread = (count: number, size: number): string[] =>
    Array.from({ length: count }, (_, index) => {
      const start = Math.floor((index * (size - 10)) / count)
      return `${start}-${start + 9}`
    })

  for (const size of [12_000, blobBytes]) {
    test(`${most} of ${size} bytes come as they are, each with its place`, async () => {
      const content = randomBytes(size)
      const path = await push(content)
      const reply = await get(path, spread(most, size))
      assert.equal(reply.status, 206)
      const boundary = /^multipart\/byteranges; boundary=([\w-]{36})$/.exec(
        reply.headers.get('content-type') ?? '',
      )?.[1]
      const body = Buffer.from(await reply.arrayBuffer())
      assert.equal(reply.headers.get('content-length'), String(body.length))
      const parts = body.toString('latin1').split(`\r\n--${boundary}`)
      assert.equal(parts.shift(), '')
      assert.equal(parts.pop(), '--\r\n')
      assert.equal(parts.length, most)
      for (const part of parts) {
        const [head = '', ...rest] = part.split('\r\n\r\n')
        const [, start, end] = /Content-Range: bytes (\d+)-(\d+)\/(\d+)$/m.exec(head) ?? []
        const bytes = Buffer.from(rest.join('\r\n\r\n'), 'latin1')
        assert.ok(bytes.equals(content.subarray(Number(start), Number(end) + 1)), head)
      }
    })
  }

  test('one more is refused, and the client may ask for fewer', async () => {
    const path = await push(randomBytes(blobBytes))
    const reply = await get(path, spread(most + 1, blobBytes))
    assert.equal(reply.status, 400)
    assert.match(await reply.text(), /REQUEST_INVALID.*at most 1024 at once/)
    assert.equal((await get(path, spread((most + 1) >> 1, blobBytes))).status, 206)
  })

  test('the boundary is another one each time, so content cannot hold it', async () => {
    const boundaryOf = (reply: Response): string =>
      /boundary=(.*)/.exec(reply.headers.get('content-type') ?? '')?.[1] ?? ''
    const path = await push(randomBytes(20_000))
    const known = boundaryOf(await get(path, ['0-9', '20-29']))
    const hostile = Buffer.from(
      `${'x'.repeat(50)}\r\n--${known}\r\n--trow-byte-range--\r\n${'y'.repeat(5000)}`,
    )
    const reply = await get(await push(hostile), ['0-199', '300-309'])
    const body = Buffer.from(await reply.arrayBuffer()).toString('latin1')
    assert.notEqual(boundaryOf(reply), known)
    assert.equal(body.split(`--${boundaryOf(reply)}`).length, 4)
  })

  test('a refused request lets go of its file', async () => {
    const idle = 256
    const files = (): number =>
      readdirSync(`/proc/${server.pid}/fd`).filter((fd) =>
        linkOf(`/proc/${server.pid}/fd/${fd}`).includes('/blobs/'),
      ).length
    const paths = await Promise.all(Array.from({ length: idle + 50 }, () => push(randomBytes(100_000))))
    for (const path of paths) assert.equal((await get(path, spread(most + 1, 100_000))).status, 400)
    assert.ok(files() <= idle, `${files()} files are open`)
  })

  test('many clients that ask for many ranges and read none hold little memory', async () => {
    const path = await push(randomBytes(20_000_000))
    const used = (): number =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024
    const ranges = Array.from({ length: most }, (_, index) => `${index * 19_000}-${index * 19_000 + 17_999}`)
    const sockets: RawSocket[] = []
    const ask = (count: number): void => {
      for (let index = 0; index < count; index++) {
        const socket = new RawSocket(Number(new URL(server.url).port), { reads: false })
        socket.send(`GET ${path} HTTP/1.1\r\nHost: x\r\nRange: bytes=${ranges.join(',')}\r\n\r\n`)
        sockets.push(socket)
      }
    }
    ask(20)
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const before = used()
    ask(100)
    await new Promise((resolve) => setTimeout(resolve, 2000))
    const grown = used() - before
    for (const socket of sockets) socket.close()
    assert.ok(grown < 100, `${grown.toFixed(0)} MB for 100 requests of 18 MB`)
    assert.equal((await get(path, ['0-9', '20-29'])).status, 206)
  })
})

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
