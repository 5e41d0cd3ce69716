import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const stopSignal = fileURLToPath(new URL('../../src/cli/stop-signal.ts', import.meta.url))

test('a command that still waits after Ctrl-C ends by itself', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'trow-interrupt-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const server = createServer(() => {}).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  // Sends a request that is never answered, and ignores its signal.
  const program = `
    import { stopSignal } from ${JSON.stringify(stopSignal)}
    const terminal = { onStop: (done) => { process.on('SIGINT', done); return () => {} }, exit: (code) => process.exit(code) }
    stopSignal(terminal, () => console.log('leaves'))
    console.log('asks')
    await fetch('http://127.0.0.1:${(server.address() as AddressInfo).port}/')
  `
  const file = join(folder, 'program.mjs')
  writeFileSync(file, program)
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(child, 'close') as Promise<[number | null]>
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
  await once(child.stdout, 'data')
  child.kill('SIGINT')
  const [code] = await closed
  server.closeAllConnections()
  assert.equal(code, 130)
  assert.equal(said, 'asks\nleaves\n')
})
