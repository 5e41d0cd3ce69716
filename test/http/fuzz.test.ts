import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import fc from 'fast-check'
import { startedServer, type ServerProcess } from '../support/server-process.ts'

/** Seeds that have found a bug run every time; a failure names the seed to add. */
const kept = JSON.parse(readFileSync(new URL('fuzz-seeds.json', import.meta.url), 'utf8')) as number[]

const contents = ['', '{}', 'layer', 'x'.repeat(40_000)]
const digestOf = (content: string, algorithm = 'sha256'): string =>
  `${algorithm}:${createHash(algorithm).update(content).digest('hex')}`
const digests = [
  ...contents.map((content) => digestOf(content)),
  digestOf('layer', 'sha512'),
  digestOf('never pushed'),
]
const descriptor = (content: string): object => ({
  mediaType: 'application/octet-stream',
  digest: digestOf(content),
  size: content.length,
})
const manifest = JSON.stringify({
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  config: descriptor('{}'),
  layers: [descriptor('layer')],
})
const manifests = [
  manifest,
  JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ ...descriptor(manifest), mediaType: 'application/vnd.oci.image.manifest.v1+json' }],
  }),
  JSON.stringify({ ...JSON.parse(manifest), subject: descriptor(manifest), artifactType: 'a/b' }),
  '{"schemaVersion":2,"schemaVersion":1}',
  '['.repeat(30_000),
  `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`,
  'null',
  '{"config":{"digest":1},"layers":{},"subject":[],"annotations":7}',
]

const odd = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }).map((text) => encodeURIComponent(text)),
  fc.string({ maxLength: 20 }).map((text) => text.replaceAll(/[\s]/g, '_')),
  fc.constantFrom('..', '.', '', '%', '%2f', '%00', '%e0%80', '~', 'A', 'a'.repeat(300), '-', '\u{1f433}'),
)
const mostly = (usual: fc.Arbitrary<string>, rare: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof({ weight: 25, arbitrary: usual }, { weight: 1, arbitrary: rare })
const sometimesOdd = (...usual: string[]): fc.Arbitrary<string> => mostly(fc.constantFrom(...usual), odd)
/** Stands for the id of an upload that is open when the conversation begins. */
const session = '00000000-open-upload'

const name = sometimesOdd('a', 'a/b', 'blobs/uploads', 'manifests/tags/list', 'library/x')
const reference = sometimesOdd('latest', 'v1', ...digests, digestOf(manifest))
const path = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(name, reference).map(([n, r]) => `/v2/${n}/manifests/${r}`) },
  { weight: 4, arbitrary: fc.tuple(name, reference).map(([n, r]) => `/v2/${n}/blobs/${r}`) },
  { weight: 4, arbitrary: name.map((n) => `/v2/${n}/blobs/uploads/`) },
  {
    weight: 4,
    arbitrary: sometimesOdd(session).map((id) => `/v2/a/blobs/uploads/${id}`),
  },
  { weight: 1, arbitrary: name.map((n) => `/v2/${n}/tags/list`) },
  { weight: 1, arbitrary: fc.tuple(name, reference).map(([n, r]) => `/v2/${n}/referrers/${r}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('/v2/', '/v2', '/v2/_catalog', '/', '*', '//', '/livez', '/readyz'),
  },
  { weight: 1, arbitrary: fc.array(odd, { maxLength: 6 }).map((parts) => `/${parts.join('/')}`) },
)
const query = fc.array(
  fc.tuple(
    sometimesOdd('digest', 'mount', 'from', 'n', 'last', 'tag', 'artifactType', 'digest-algorithm', '_state'),
    fc.oneof(reference, name, sometimesOdd('0', '1', '-1', '9007199254740993', 'sha512', 'md5')),
  ),
  { maxLength: 3 },
)
const usualHeader = fc.oneof(
  fc.tuple(
    fc.constantFrom('Range', 'Content-Range'),
    sometimesOdd(
      'bytes=0-',
      'bytes=-1',
      'bytes=2-1,0-0,-5',
      '0-4',
      '5-9',
      'bytes=99999999999999999999-',
      'bytes=0-0,'.repeat(50),
    ),
  ),
  fc.tuple(
    fc.constantFrom('If-None-Match', 'If-Match', 'If-Range', 'If-Modified-Since'),
    sometimesOdd('*', `"${digests[2]}"`, 'W/"x"', '"', 'Tue, 24 Nov 2026 00:00:00 GMT'),
  ),
  fc.tuple(
    fc.constantFrom('Content-Type', 'Accept'),
    sometimesOdd(
      'application/octet-stream',
      'application/vnd.oci.image.manifest.v1+json',
      'a/b;'.repeat(99),
      '*/*',
    ),
  ),
  fc.tuple(
    fc.constantFrom('Expect', 'Connection', 'Upgrade', 'Content-Encoding', 'X-Request-Id', 'Authorization'),
    sometimesOdd('100-continue', 'close', 'keep-alive', 'h2c', 'gzip', 'Bearer x'),
  ),
)
const header = fc.oneof({ weight: 25, arbitrary: usualHeader }, { weight: 1, arbitrary: fc.tuple(odd, odd) })
/** How the request announces the length of its body: correctly, in chunks, or wrongly. */
const framing = mostly(
  fc.constantFrom('length', 'chunked'),
  fc.constantFrom('none', 'too long', 'too short', 'both', 'bad chunk'),
)
const anyRequest = fc
  .record({
    method: sometimesOdd('GET', 'GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS'),
    path,
    query,
    headers: fc.array(header, { maxLength: 3 }),
    body: fc.oneof(
      fc.constantFrom(...contents, ...manifests),
      fc.string({ maxLength: 200 }),
      // A manifest with a part cut out, or text inserted.
      fc
        .tuple(fc.constantFrom(...manifests), fc.nat(400), fc.nat(40), fc.string({ maxLength: 10 }))
        .map(([text, at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut)),
    ),
    framing,
    version: mostly(fc.constant('1.1'), fc.constantFrom('1.0', '2.0')),
    host: mostly(fc.constant('Host: localhost\r\n'), fc.constant('')),
  })
  .map((parts) => {
    const search = parts.query.map(([key, value]) => `${key}=${value}`).join('&')
    const hasBody = ['PUT', 'POST', 'PATCH'].includes(parts.method)
    const headers = parts.headers.map(([key, value]) => `${key}: ${value}\r\n`).join('')
    const head = `${parts.method} ${parts.path}${search && `?${search}`} HTTP/${parts.version}\r\n${parts.host}${headers}`
    return head + (hasBody ? framed(parts.body, parts.framing) : '\r\n')
  })

/** Valid pushes, so that other requests find content. */
const push = fc.oneof(
  fc
    .constantFrom(...contents)
    .map(
      (body) =>
        `POST /v2/a/blobs/uploads/?digest=${digestOf(body)} HTTP/1.1\r\nHost: localhost\r\n${framed(body, 'length')}`,
    ),
  fc
    .constantFrom(...manifests.slice(0, 3))
    .map((body) => `PUT /v2/a/manifests/latest HTTP/1.1\r\nHost: localhost\r\n${framed(body, 'length')}`),
)
const request = fc.oneof({ weight: 4, arbitrary: anyRequest }, { weight: 1, arbitrary: push })

function framed(body: string, how: string): string {
  const bytes = Buffer.byteLength(body)
  const chunks = `${bytes.toString(16)}\r\n${body}\r\n${bytes === 0 ? '' : '0\r\n\r\n'}`
  switch (how) {
    case 'chunked':
      return `Transfer-Encoding: chunked\r\n\r\n${chunks}`
    case 'none':
      return `\r\n${body}`
    case 'too long':
      return `Content-Length: ${bytes + 1000}\r\n\r\n${body}`
    case 'too short':
      return `Content-Length: ${bytes >> 1}\r\n\r\n${body}`
    case 'both':
      return `Content-Length: ${bytes}\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`
    case 'bad chunk':
      return `Transfer-Encoding: chunked\r\n\r\nzz\r\n${body}`
    default:
      return `Content-Length: ${bytes}\r\n\r\n${body}`
  }
}

/** Everything the server sends until it closes; the client's side is closed once all is sent. */
function converse(port: number, pieces: readonly Buffer[]): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const received: Buffer[] = []
    const socket = connect(port, '127.0.0.1')
    const late = setTimeout(() => {
      socket.destroy()
      reject(
        new Error(`the connection stays open after ${Buffer.concat(received).toString('latin1', 0, 300)}`),
      )
    }, 15_000)
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => received.push(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(late)
      resolve(Buffer.concat(received))
    })
    for (const piece of pieces) socket.write(piece)
    socket.end()
  })
}

/** Every reply of a connection is HTTP, none is a server error, and each refusal gives a reason. */
function checkReplies(bytes: Buffer): void {
  let rest = bytes.toString('latin1')
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n')
    const head = rest.slice(0, end)
    const [, code] = /^HTTP\/1\.1 (\d{3}) [^\r\n]*(?:\r\n[\w-]+: [^\r\n]*)*$/.exec(head) ?? []
    assert.ok(end > 0 && code !== undefined, `no reply: ${JSON.stringify(rest.slice(0, 300))}`)
    const status = Number(code)
    assert.ok(status < 500, `${rest.slice(0, 600)}`)
    rest = rest.slice(end + 4)
    const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0)
    // After a HEAD the next reply follows at once.
    const bodyless = status === 304 || rest === '' || rest.startsWith('HTTP/1.1 ')
    if (bodyless || length === 0) continue
    const body = rest.slice(0, length)
    assert.equal(body.length, length, `a reply was cut: ${head}`)
    rest = rest.slice(length)
    if (status < 400) continue
    const { errors } = JSON.parse(body) as { errors: { code: string; message: string; detail: unknown }[] }
    for (const error of errors) {
      assert.match(error.code, /^[A-Z_]+$/)
      assert.ok(error.message !== '' && error.detail !== undefined, body)
    }
  }
}

suite('whatever comes over the wire', () => {
  let server: ServerProcess
  let folder = ''
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'trow-fuzz-'))
    server = await startedServer({
      data: join(folder, 'data'),
      args: ['--workers', '1', '--idle-timeout', '10s'],
    })
  })
  after(async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const conversation = fc.record({
    requests: fc.array(request, { minLength: 1, maxLength: 5 }),
    cuts: fc.array(fc.nat(2000), { maxLength: 4 }),
  })

  for (const seed of [...kept, Date.now() % 2 ** 31]) {
    test(`is answered in HTTP, without a failure of the server (seed ${seed})`, async () => {
      const port = Number(new URL(server.url).port)
      await fc.assert(
        fc.asyncProperty(fc.array(conversation, { minLength: 1, maxLength: 8 }), async (conversations) => {
          const replies = await Promise.all(
            conversations.map(async ({ requests, cuts }) => {
              const opened = await fetch(`${server.url}/v2/a/blobs/uploads/`, { method: 'POST' })
              const id = opened.headers.get('docker-upload-uuid') ?? ''
              const bytes = Buffer.from(requests.join('').replaceAll(session, id))
              const places = [
                0,
                ...cuts.map((cut) => cut % bytes.length).toSorted((a, b) => a - b),
                bytes.length,
              ]
              return await converse(
                port,
                places.slice(1).map((place, index) => bytes.subarray(places[index], place)),
              )
            }),
          )
          for (const reply of replies) checkReplies(reply)
          assert.equal((await fetch(`${server.url}/readyz`)).status, 200)
          assert.doesNotMatch(server.output(), /a request failed|worker/)
        }),
        { numRuns: 400, seed },
      )
    })
  }
})
