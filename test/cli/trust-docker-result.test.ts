import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { makeAuthority } from '../../src/certificates/certificate-authority.ts'
import { terminalOf } from '../../src/cli/streams.ts'
import { trustDocker } from '../../src/cli/trust/trust-docker.ts'
import { checkResult } from '../support/check-result.ts'
import { recordedMachine } from '../trust/docker/recorded-machine.ts'

const host = '127.0.0.1:5443'
const { cert } = await makeAuthority([], ['127.0.0.1'], webcrypto as Crypto)

test('trust-docker has the files and commands, done or to do; text is on stderr', async (context) => {
  const recorded = recordedMachine('linux', {
    files: { 'ca.crt': cert, 'bin/podman': '#!/bin/sh\n' },
    uid: 0,
  })
  context.after(() => recorded.close())
  const trust = async (options: object): Promise<{ code: number; stdout: string; stderr: string }> => {
    const [stdout, stderr] = [new PassThrough({ encoding: 'utf8' }), new PassThrough({ encoding: 'utf8' })]
    const terminal = terminalOf({
      stdin: new PassThrough(),
      stdout,
      stderr,
      env: recorded.machine.env,
      cwd: recorded.root,
      onStop: () => () => {},
    })
    const given = { registry: host, engine: 'podman', proof: false, output: 'json', ...options } as const
    const withCa = { ...given, ca: join(recorded.root, 'ca.crt') }
    const code = await trustDocker(withCa, terminal, recorded.machine)
    return { code, stdout: String(stdout.read() ?? ''), stderr: String(stderr.read() ?? '') }
  }
  const planned = await trust({ dryRun: true })
  const plan = checkResult('EngineTrust', planned.stdout)
  assert.deepEqual([planned.code, plan.engine, plan.host, plan.isDryRun], [0, 'podman', host, true])
  assert.match(planned.stderr, /-----BEGIN CERTIFICATE-----/)
  assert.ok(plan.steps.some((step) => step.action === 'create' && step.path.endsWith('.crt')))

  const done = checkResult('EngineTrust', (await trust({})).stdout)
  assert.deepEqual(
    [done.steps, done.isDryRun, done.isUndo, done.proof],
    [plan.steps, false, false, undefined],
  )
  assert.deepEqual(checkResult('EngineTrust', (await trust({})).stdout).steps, [])

  const undone = checkResult('EngineTrust', (await trust({ undo: true })).stdout)
  assert.ok(undone.isUndo && undone.steps.every(({ action }) => action === 'remove'))
  assert.equal(undone.steps.length, plan.steps.length)
})
