import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { outputIn } from '../../../src/cli/result/output.ts'
import { checkError } from '../../support/check-result.ts'
import { runCommand } from '../../support/run-trow.ts'

suite('errors where a program reads the output', () => {
  for (const [args, code, exitCode] of [
    [['inspect', '127.0.0.1:1/a:1', '-o', 'json'], 'REGISTRY_UNREACHABLE', 69],
    [['inspect', '127.0.0.1:1/a:1', '--output=yaml'], 'REGISTRY_UNREACHABLE', 69],
    [['list', '127.0.0.1:1', '-ojsonl'], 'REGISTRY_UNREACHABLE', 69],
    [['list', 'A/b', '-o', 'json'], 'REFERENCE_INVALID', 2],
    [['list', '--nope', '-o', 'json'], 'USAGE_INVALID', 2],
    [['nope', '-o', 'json'], 'USAGE_INVALID', 2],
  ] as const)
    test(`${args.join(' ')} ends with ${code}`, async () => {
      const { stdout, stderr, code: exit } = await runCommand(args)
      assert.equal(stdout, '')
      assert.equal(exit, exitCode)
      const error = checkError(stderr)
      assert.deepEqual([error.code, error.exitCode], [code, exitCode])
      assert.doesNotMatch(error.message, /^error: /)
    })

  test('help and version are what they are without it', async () => {
    const { stdout, stderr, code } = await runCommand(['list', '--help', '-o', 'json'])
    assert.deepEqual([code, stderr], [0, ''])
    assert.match(stdout, /Usage: trow list/)
  })

  test('-o is found wherever it stands, and not behind --', () => {
    assert.equal(outputIn(['-o', 'json', 'list']), 'json')
    assert.equal(outputIn(['list', '--output=yaml']), 'yaml')
    assert.equal(outputIn(['list', '-ojson']), 'json')
    assert.equal(outputIn(['list', '--own-host', 'json']), undefined)
    assert.equal(outputIn(['exception', 'add', '--override-deny']), undefined)
    assert.equal(outputIn(['list', '--', '-o', 'json']), undefined)
    assert.equal(outputIn(['list', '-o', 'text', '-o', 'json']), 'json')
  })
})
