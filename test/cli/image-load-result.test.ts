import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkResult } from '../support/check-result.ts'
import { runCommand } from '../support/run-trow.ts'

test('image load has its commands', async () => {
  const args = ['image', 'load', '--to', 'kind', '--cluster', 'dev', '--dry-run']
  const { commands, ...result } = checkResult('ImageLoad', (await runCommand([...args, '-o', 'json'])).stdout)
  assert.deepEqual([result.target, result.isDryRun, result.digest], ['kind', true, undefined])
  assert.match(
    commands.join('\n'),
    /^trow image save .*\nkind load image-archive trow-image\.tar --name dev$/,
  )
  assert.equal((await runCommand(args)).stdout, `${commands.join('\n')}\n`)
})
