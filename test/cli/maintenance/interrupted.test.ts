import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, before, suite, test } from 'node:test'
import { checkError } from '../../support/check-result.ts'
import { runCommand, startCommand } from '../../support/run-trow.ts'
import { startedServer } from '../../support/server-process.ts'

suite('what is cut off says what was kept', () => {
  const root = mkdtempSync(join(tmpdir(), 'trow-cut-off-'))
  const [data, file, folder] = [join(root, 'data'), join(root, 'backup'), join(root, 'restored')]
  after(() => rmSync(root, { recursive: true, force: true }))
  before(async () => {
    await (await startedServer({ data })).stop()
    assert.equal((await runCommand(['backup', '--data', data, file])).code, 0)
  })

  for (const [args, kept] of [
    [['fsck', '--data', data], /^Nothing was changed; .*: 0 problems until then\.$/],
    [['fsck', '--repair', '--data', data], /^What was repaired stays; /],
    [['gc', '--data', data], /^What was removed stays removed; the next collection goes on from there\.$/],
    [['gc', '--dry-run', '--data', data], /^Nothing was changed\.$/],
    [['restore', '--data', folder, file], /^Nothing of it is kept: the folder is as it was\.$/],
  ] as const)
    test(args.filter((arg) => !arg.startsWith('/')).join(' '), async () => {
      const command = startCommand([...args, '-o', 'json'])
      for (let tries = 0; tries < 5000 && !command.listens; tries++) await sleep(1)
      assert.equal(await command.interrupt(), 130, command.stderr())
      const { code, hint } = checkError(command.stderr())
      assert.equal(code, 'INTERRUPTED')
      assert.match(hint ?? '', kept)
      assert.equal(command.stdout(), '')
      assert.ok(!existsSync(folder))
    })
})
