import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { suite, test } from 'node:test'
import { openCri } from '../../src/agent/cri.ts'

// Tests with real runtimes: test/e2e/agent.test.ts.
suite('CRI client', () => {
  test('a runtime that is not there is UNAVAILABLE, and one that says nothing is late', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'trow-cri-'))
    const sockets: Socket[] = []
    const mute = createServer((socket) => void sockets.push(socket))
    try {
      const absent = await openCri(join(folder, 'absent.sock'))
      await assert.rejects(absent.version(), { name: 'CriFault', code: 'UNAVAILABLE' })
      absent.close()
      mute.listen(join(folder, 'mute.sock'))
      await once(mute, 'listening')
      const late = await openCri(join(folder, 'mute.sock'))
      await assert.rejects(late.pullImage('a/b:1', 200), { name: 'CriFault', code: 'DEADLINE_EXCEEDED' })
      late.close()
    } finally {
      for (const socket of sockets) socket.destroy()
      mute.close()
      rmSync(folder, { recursive: true })
    }
  })
})
