import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createHash, randomBytes, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { request } from 'node:https'
import { connect, type TLSSocket } from 'node:tls'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, suite, test } from 'node:test'
import { RawSocket } from '../http/raw-socket.ts'
import { missing } from '../requirements.ts'
import { runTrow, startedServer, type ServerProcess } from '../support/server-process.ts'

const root = mkdtempSync(join(tmpdir(), 'trow-serve-'))
after(() => rmSync(root, { recursive: true, force: true }))

let count = 0
const newFolder = (): string => join(root, `data-${++count}`)

async function pushBlob(server: ServerProcess, size: number): Promise<string> {
  const content = randomBytes(size)
  const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`
  const pushed = await fetch(`${server.url}/v2/a/b/blobs/uploads/?digest=${digest}`, {
    method: 'POST',
    body: content,
  })
  assert.equal(pushed.status, 201)
  return `/v2/a/b/blobs/${digest}`
}

suite('stopping', () => {
  test('while a pull runs others are served and open uploads end, a new push is refused; then the server ends', async () => {
    const server = await startedServer({ data: newFolder(), args: ['--workers', '1'] })
    const path = await pushBlob(server, 30_000_000)
    const port = Number(new URL(server.url).port)
    const kept = new RawSocket(port)
    kept.send('GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n')
    assert.equal((await kept.reply())?.status, 200)
    const pull = await fetch(`${server.url}${path}`)
    const reader = pull.body?.getReader()
    let received = (await reader?.read())?.value?.length ?? 0
    const opened = await fetch(`${server.url}/v2/a/b/blobs/uploads/`, { method: 'POST' })
    process.kill(server.pid, 'SIGTERM')
    await sleep(200)
    const again = await fetch(`${server.url}${path}`, { method: 'HEAD' })
    assert.equal(again.status, 200, 'pulls are served')
    assert.equal(again.headers.get('connection'), 'close')
    const refused = await fetch(`${server.url}/v2/a/b/blobs/uploads/`, { method: 'POST' })
    assert.equal(refused.status, 503)
    assert.equal(refused.headers.get('retry-after'), '1')
    assert.match(await refused.text(), /UNAVAILABLE/)
    const digest = `sha256:${createHash('sha256').update('last').digest('hex')}`
    const location = `${server.url}${opened.headers.get('location')}?digest=${digest}`
    assert.equal((await fetch(location, { method: 'PUT', body: 'last' })).status, 201, 'an open upload ends')
    for (let next = await reader?.read(); next?.done === false; next = await reader?.read())
      received += next.value.length
    assert.equal(received, 30_000_000)
    const started = performance.now()
    await server.exited
    assert.ok(performance.now() - started < 10_000, 'a kept connection held it up')
    kept.close()
  })

  test('a second signal ends it at once', async () => {
    const server = await startedServer({ data: newFolder(), args: ['--workers', '1'] })
    const path = await pushBlob(server, 50_000_000)
    const stuck = new RawSocket(Number(new URL(server.url).port))
    stuck.send(
      `PUT ${path.replace(/blobs.*/, 'manifests/x')} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n`,
    )
    await sleep(200)
    process.kill(server.pid, 'SIGTERM')
    await sleep(800)
    const started = performance.now()
    process.kill(server.pid, 'SIGTERM')
    await server.exited
    assert.ok(performance.now() - started < 5000)
    stuck.close()
  })
})

suite('threads', () => {
  test('a worker that dies is replaced, and other connections do not notice', async () => {
    const server = await startedServer({
      data: newFolder(),
      args: ['--workers', '2'],
      preload: new URL('../support/die-on-request.ts', import.meta.url),
    })
    const port = Number(new URL(server.url).port)
    const sockets = Array.from({ length: 12 }, () => new RawSocket(port))
    const ask = (socket: RawSocket): Promise<{ status: number } | undefined> => {
      socket.send('GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n')
      return socket.reply()
    }
    for (const socket of sockets) assert.equal((await ask(socket))?.status, 200)
    sockets[0]?.send('GET /v2/die/tags/list HTTP/1.1\r\nHost: localhost\r\nX-Die: now\r\n\r\n')
    await sockets[0]?.ended()
    await sleep(300)
    const alive = sockets.filter((socket) => !socket.closed)
    assert.ok(alive.length > 0, 'the other worker lost its connections')
    for (const socket of alive) assert.equal((await ask(socket))?.status, 200)
    for (let attempt = 0; attempt < 50 && !server.output().includes('a worker is replaced'); attempt++)
      await sleep(100)
    assert.match(server.output(), /a worker is replaced/)
    await sleep(500)
    for (let i = 0; i < 20; i++)
      assert.equal((await fetch(`${server.url}/v2/`, { headers: { connection: 'close' } })).status, 200)
    for (const socket of sockets) socket.close()
    await server.stop()
  })
})

suite('metrics and health', () => {
  test('are told apart, and labels are bounded', async () => {
    const server = await startedServer({ data: newFolder(), args: ['--metrics-listen', '127.0.0.1:0'] })
    await pushBlob(server, 1000)
    await fetch(`${server.url}/v2/secret-name/manifests/latest`)
    const address = /metrics on (http:\S+)/.exec(server.output())?.[1] ?? ''
    const text = await (await fetch(address)).text()
    assert.match(
      text,
      /trow_http_requests_total\{route="\/v2\/<name>\/manifests\/<reference>",method="GET",code="404"\} 1/,
    )
    assert.match(text, /trow_storage_operations_total\{operation="metadata\.putBlob",outcome="ok"\} 1/)
    for (const name of [
      'trow_storage_writable 1',
      'trow_event_loop_lag_seconds',
      'trow_gc_runs_total',
      '_bucket',
    ]) {
      assert.ok(text.includes(name), name)
    }
    assert.ok(!text.includes('secret-name'))
    assert.equal((await fetch(`${server.url}/metrics`)).status, 404)
    assert.equal((await fetch(`${server.url}/livez`)).status, 200)
    assert.deepEqual(await (await fetch(`${server.url}/readyz`)).json(), {
      read: { ok: true },
      write: { ok: true },
      maintenance: { ok: true },
    })
    assert.equal((await fetch(`${server.url}/readyz/write`)).status, 200)
    await server.stop()
  })
})

suite('commands on a folder that is being served', () => {
  test('gc, fsck and backup go through its server; on a folder nobody serves they work as well', async () => {
    const data = newFolder()
    const server = await startedServer({ data })
    await pushBlob(server, 100_000)
    assert.equal(statSync(join(data, 'trow.sock')).mode & 0o777, 0o600)
    const online = [
      await runTrow(['gc', '--dry-run', '--data', data]),
      await runTrow(['fsck', '--data', data]),
      await runTrow(['backup', '--data', data, join(root, 'online.tar')]),
    ]
    assert.deepEqual(online.map(({ code }) => code), [0, 0, 0]) // prettier-ignore
    await server.stop()
    assert.ok(!existsSync(join(data, 'trow.sock')))
    const offline = [
      await runTrow(['gc', '--data', data]),
      await runTrow(['fsck', '--data', data]),
      await runTrow(['backup', '--data', data, join(root, 'offline.tar')]),
      await runTrow(['restore', '--data', join(root, 'restored'), join(root, 'online.tar')]),
      await runTrow(['fsck', '--data', join(root, 'restored')]),
    ]
    assert.deepEqual(offline.map(({ code }) => code), [0, 0, 0, 0, 0]) // prettier-ignore
    assert.match(offline[4]?.output ?? '', /1 blob \(100 kB\) and 0 manifests checked: all is well/)
    for (const [args, message] of [
      [['restore', '--data', data, join(root, 'online.tar')], /FOLDER_NOT_EMPTY/],
      [['backup', '--data', data, join(root, 'online.tar')], /FILE_EXISTS/],
      [['restore', '--data', join(root, 'new'), join(root, 'none.tar')], /FILE_MISSING/],
      [['fsck', '--data', join(root, 'nothing')], /NO_REGISTRY/],
    ] as const) {
      const { code, output } = await runTrow(args)
      assert.equal(code, 1)
      assert.match(output, message)
    }
  })

  test('a folder whose path is too long for a socket', async () => {
    const data = join(root, 'a'.repeat(100), 'b'.repeat(100))
    const server = await startedServer({ data })
    assert.equal((await runTrow(['fsck', '--data', data])).code, 0)
    await server.stop()
  })
})

suite('TLS', { skip: missing('openssl') }, () => {
  const make = (name: string): { cert: string; key: string } => {
    const [cert, key] = [join(root, `${name}.crt`), join(root, `${name}.key`)]
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
    const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    execFileSync(
      'openssl',
      ['req', '-x509', '-nodes', ...curve, ...subject, '-days', '10', '-keyout', key, '-out', cert],
      { stdio: 'ignore' },
    )
    return { cert, key }
  }
  const subjectAt = (url: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const { hostname, port } = new URL(url)
      const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () => {
        resolve(socket.getPeerX509Certificate()?.subject ?? '')
        socket.destroy()
      })
      socket.on('error', reject)
    })

  test('a new pair is taken without a restart, open connections go on, and a bad pair is not taken', async () => {
    const [live, next] = [make('first'), make('second')]
    const server = await startedServer({
      data: newFolder(),
      args: ['--tls-cert', live.cert, '--tls-key', live.key, '--workers', '1'],
    })
    const { hostname, port } = new URL(server.url)
    assert.equal(await subjectAt(server.url), 'CN=first')
    const open: TLSSocket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false })
    await once(open, 'secureConnect')
    copyFileSync(next.key, live.key)
    await sleep(2500)
    assert.equal(await subjectAt(server.url), 'CN=first', 'a key without its certificate was taken')
    copyFileSync(next.cert, live.cert)
    for (let attempt = 0; attempt < 60 && (await subjectAt(server.url)) !== 'CN=second'; attempt++)
      await sleep(100)
    assert.equal(await subjectAt(server.url), 'CN=second')
    open.write('GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const [answer] = (await once(open, 'data')) as [Buffer]
    assert.match(answer.toString(), /^HTTP\/1\.1 200/)
    open.destroy()
    await server.stop()
  })

  test('--tls-auto makes a CA that is bound to its names, and a certificate that it vouches for', async () => {
    const data = newFolder()
    const server = await startedServer({
      data,
      args: ['--tls-auto', '--tls-san', 'registry.example,10.1.2.3'],
    })
    const ca = readFileSync(join(data, 'tls', 'ca.crt'), 'utf8')
    assert.match(server.output(), /CA +\S+ca\.crt/)
    const status = await new Promise((resolve, reject) => {
      request(`${server.url}/v2/`, { ca, headers: { connection: 'close' } }, (response) =>
        resolve(response.statusCode),
      )
        .on('error', reject)
        .end()
    })
    assert.equal(status, 200)
    const leaf = new X509Certificate(readFileSync(join(data, 'tls', 'tls.crt')))
    assert.ok(leaf.checkHost('registry.example') && leaf.checkIP('10.1.2.3') && leaf.checkHost('localhost'))
    const shown = execFileSync('openssl', ['x509', '-noout', '-text', '-in', join(data, 'tls', 'ca.crt')], {
      encoding: 'utf8',
    })
    assert.match(shown, /Name Constraints: critical[^]*DNS:registry\.example[^]*IP:10\.0\.0\.0\/255\.0\.0\.0/)
    assert.equal(statSync(join(data, 'tls', 'ca.key')).mode & 0o777, 0o600)
    const verify = spawn('openssl', [
      'verify',
      '-CAfile',
      join(data, 'tls', 'ca.crt'),
      join(data, 'tls', 'tls.crt'),
    ])
    assert.deepEqual(await once(verify, 'exit'), [0, null])
    await server.stop()
  })
})
