import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runCommand } from '../../support/run-trow.ts'
import { startedServer } from '../../support/server-process.ts'

test('gc shows on a terminal how much it has looked at, and not where a program reads', async (context) => {
  const data = mkdtempSync(join(tmpdir(), 'trow-gc-bar-'))
  context.after(() => rmSync(data, { recursive: true, force: true }))
  const server = await startedServer({ data })
  const begun = await fetch(`${server.url}/v2/team/app/blobs/uploads/`, { method: 'POST' })
  const place = new URL(begun.headers.get('location') ?? '', server.url)
  const body = Buffer.alloc(3_000_000)
  assert.equal((await fetch(place, { method: 'PATCH', body })).status, 202)
  await server.stop()
  const gc = ['gc', '--data', data, '--dry-run', '--upload-expiry', '1ms']
  const shown = await runCommand(gc, { isErrorTty: true })
  assert.match(shown.stdout, /^would be expired: upload .*\(3\.0 MB\)/m, shown.stdout)
  assert.match(shown.stderr, /3\.0 MB/)
  const quiet = await runCommand([...gc, '-o', 'json'], { isErrorTty: true })
  assert.equal(quiet.stderr, '')
  assert.equal((await runCommand(gc)).stderr, '')
})
