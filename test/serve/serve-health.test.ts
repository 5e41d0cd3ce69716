import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, suite, test } from 'node:test'
import { RawSocket } from '../http/raw-socket.ts'
import { runTrow, startedServer, type ServerProcess } from '../support/server-process.ts'

const root = mkdtempSync(join(tmpdir(), 'trow-health-'))
after(() => rmSync(root, { recursive: true, force: true }))
const preload = new URL('../support/planned-faults.ts', import.meta.url)

async function eventually(check: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (await check()) return
    await sleep(100)
  }
  assert.fail('it never came')
}

const statusOf = async (server: ServerProcess, path: string): Promise<number> => {
  const answer = await fetch(`${server.url}${path}`, { signal: AbortSignal.timeout(20_000) })
  await answer.body?.cancel()
  return answer.status
}

async function metricsOf(server: ServerProcess): Promise<string> {
  const address = /metrics on (http:\S+)/.exec(server.output())?.[1] ?? ''
  return (await fetch(address, { signal: AbortSignal.timeout(20_000) })).text()
}

/** Makes the maintenance thread throw an uncaught error. */
function killMaintenance(data: string): Promise<void> {
  return new Promise((resolve) => {
    const sent = request({ socketPath: join(data, 'trow.sock'), path: '/x', headers: { 'x-die': 'now' } })
    sent.on('error', () => resolve()).end()
  })
}

suite('a disk that hangs', () => {
  test('takes no pull away: /readyz answers from reads; writes are told as they are, and recover without a push', async () => {
    const hang = join(root, 'hang')
    const server = await startedServer({
      data: join(root, 'hanging'),
      args: ['--metrics-listen', '127.0.0.1:0'],
      env: { HANG_WHILE: hang },
      preload,
    })
    try {
      assert.equal(await statusOf(server, '/readyz/write'), 200)
      writeFileSync(hang, '')
      await eventually(async () => {
        // A check waits for the disk now, or soon will; none of these requests waits.
        const answer = await fetch(`${server.url}/readyz`, { signal: AbortSignal.timeout(4000) })
        const { read, write } = (await answer.json()) as { read: object; write: { ok: boolean } }
        assert.equal(answer.status, 200)
        assert.deepEqual(read, { ok: true })
        return !write.ok
      })
      assert.equal(await statusOf(server, '/readyz/write'), 503)
      assert.match(await metricsOf(server), /^trow_storage_writable 0$/m)
      assert.equal(await statusOf(server, '/v2/a/tags/list'), 404, 'a read')
      rmSync(hang)
      await eventually(async () => (await statusOf(server, '/readyz/write')) === 200)
      await eventually(async () => /^trow_storage_writable 1$/m.test(await metricsOf(server)))
    } finally {
      rmSync(hang, { force: true })
      await server.stop()
    }
  })
})

suite('a thread that dies', () => {
  test('maintenance is replaced, /metrics answers meanwhile, and both say so', async () => {
    const data = join(root, 'replaced')
    const server = await startedServer({ data, args: ['--metrics-listen', '127.0.0.1:0'], preload })
    try {
      const counts = async (): Promise<string> => {
        const text = await metricsOf(server)
        return [/^trow_maintenance_up \d/m, /^trow_maintenance_restarts_total \d/m]
          .map((pattern) => pattern.exec(text)?.[0].split(' ')[1])
          .join()
      }
      assert.equal(await counts(), '1,0')
      await killMaintenance(data)
      await eventually(async () => (await counts()) === '1,1')
      assert.match(server.output(), /maintenance has died[^]*maintenance was replaced/)
      const ready = (await (await fetch(`${server.url}/readyz`)).json()) as { maintenance: object }
      assert.deepEqual(ready.maintenance, { ok: true })
      assert.equal((await runTrow(['gc', '--data', data])).code, 0)
    } finally {
      await server.stop()
    }
  })

  test(
    'a worker that cannot be started again is ended, each time',
    { skip: process.platform !== 'linux' },
    async () => {
      const refuse = join(root, 'refuse')
      const server = await startedServer({
        data: join(root, 'refused'),
        args: ['--workers', '2'],
        env: { REFUSE_WHILE: refuse },
        preload,
      })
      try {
        const threads = (): number => readdirSync(`/proc/${server.pid}/task`).length
        const before = threads()
        writeFileSync(refuse, '')
        const socket = new RawSocket(Number(new URL(server.url).port))
        socket.send('GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Die: now\r\n\r\n')
        await socket.ended()
        const failures = (): number => server.output().split('a worker could not be replaced').length - 1
        await eventually(() => failures() >= 4)
        // Between two attempts the worker has no thread; during an attempt it has one.
        assert.ok(threads() <= before + 1, `${threads()} threads, ${before} before`)
        rmSync(refuse)
        await eventually(() => threads() >= before)
        assert.equal(await statusOf(server, '/v2/'), 200)
      } finally {
        await server.stop()
      }
    },
  )
})

suite('stopping', () => {
  test('a reply that its client has not taken yet is sent whole', async () => {
    const server = await startedServer({
      data: join(root, 'unsent'),
      args: ['--workers', '1', '--manifest-limit', '64MiB'],
    })
    const layer = { mediaType: 'application/vnd.example', digest: `sha256:${'0'.repeat(64)}`, size: 0 }
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [],
      annotations: { note: 'x'.repeat(40_000_000), layer: layer.digest },
    })
    const headers = { 'content-type': 'application/vnd.oci.image.index.v1+json' }
    const pushed = await fetch(`${server.url}/v2/a/manifests/x`, { method: 'PUT', body: manifest, headers })
    assert.equal(pushed.status, 201, await pushed.text())
    const answer = await fetch(`${server.url}/v2/a/manifests/x`)
    const reader = answer.body!.getReader()
    let received = (await reader.read()).value?.length ?? 0
    await sleep(500)
    process.kill(server.pid, 'SIGTERM')
    await sleep(1500)
    for (let next = await reader.read(); !next.done; next = await reader.read()) received += next.value.length
    assert.equal(received, manifest.length)
    await server.exited
  })
})
