import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '../support/free-port.ts'
import { startedServer } from '../support/server-process.ts'

const program = fileURLToPath(new URL('../../bin/trow.js', import.meta.url))
const root = mkdtempSync(join(tmpdir(), 'trow-signals-'))
after(() => rmSync(root, { recursive: true }))

suite('trow serve and signals', () => {
  test('SIGTERM right after the first 200 of /livez lets a push that runs end with its reply', async () => {
    const port = await freePort()
    const args = ['serve', '--data', join(root, 'term'), '--listen', `127.0.0.1:${port}`, '--workers', '2']
    const child = spawn(process.execPath, [program, ...args], { stdio: 'ignore' })
    const exited = once(child, 'exit') as Promise<[number | null, string | null]>
    const url = `http://127.0.0.1:${port}`
    while ((await fetch(`${url}/livez`).then(({ status }) => status, () => 0)) !== 200) await sleep(1) // prettier-ignore
    const body = randomBytes(100_000)
    const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`
    const socket = connect(port, '127.0.0.1')
    let reply = ''
    socket.setEncoding('utf8').on('data', (text: string) => (reply += text))
    socket.on('error', (error) => (reply += String(error)))
    socket.write(
      `POST /v2/a/blobs/uploads/?digest=${digest} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`,
    )
    while (!reply.includes('100 Continue')) await once(socket, 'data')
    child.kill('SIGTERM')
    socket.write(body.subarray(0, 50_000))
    await sleep(300)
    socket.write(body.subarray(50_000))
    await once(socket, 'close')
    assert.match(reply, /HTTP\/1\.1 201 Created/)
    assert.deepEqual(await exited, [0, null])
  })

  test('SIGTERM as soon as a worker answers, before the others do, ends it as any other', async () => {
    const port = await freePort()
    const args = ['serve', '--data', join(root, 'early'), '--listen', `127.0.0.1:${port}`, '--workers', '4']
    const child = spawn(process.execPath, [program, ...args], { stdio: 'ignore' })
    const exited = once(child, 'exit') as Promise<[number | null, string | null]>
    while ((await fetch(`http://127.0.0.1:${port}/livez`).then(({ status }) => status, () => 0)) !== 200) await sleep(1) // prettier-ignore
    child.kill('SIGTERM')
    assert.deepEqual(await exited, [0, null])
  })

  test('a data folder where none can be made ends it at once', { timeout: 60_000 }, async () => {
    const args = ['serve', '--data', '/proc/trow', '--listen', '127.0.0.1:0']
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    const limit = setTimeout(() => child.kill('SIGKILL'), 30_000)
    const [code] = (await once(child, 'close')) as [number | null]
    clearTimeout(limit)
    assert.equal(code, 1, stderr)
    assert.match(stderr, /\/proc\/trow.*\([A-Z_]+\)/)
  })

  test('audit follow of a folder that is served ends with 130 at Ctrl-C', async () => {
    const data = join(root, 'followed')
    const server = await startedServer({ data, args: ['--audit', 'on'] })
    const child = spawn(process.execPath, [program, 'audit', 'follow', '--data', data, '-o', 'jsonl'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    const closed = once(child, 'close') as Promise<[number | null, string | null]>
    let follows = false
    child.stdout.once('data', () => (follows = true))
    for (let tries = 0; tries < 100 && !follows; tries++) {
      const body = String(tries)
      const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`
      await fetch(`${server.url}/v2/a/blobs/uploads/?digest=${digest}`, { method: 'POST', body })
      await sleep(200)
    }
    // The command is ended even if no event came.
    child.kill('SIGINT')
    const limit = setTimeout(() => child.kill('SIGKILL'), 10_000)
    const ended = await closed
    clearTimeout(limit)
    await server.stop()
    assert.equal(follows, true)
    assert.deepEqual(ended, [130, null], stderr)
    assert.equal(stderr, '')
  })
})
