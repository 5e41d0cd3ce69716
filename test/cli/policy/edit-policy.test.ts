import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { suite, test } from 'node:test'
import type { CommandContext } from '../../../src/cli/command-context.ts'
import { editPolicy, printEdit } from '../../../src/cli/policy/edit-policy.ts'
import { denyingPolicy } from '../../../src/cli/policy/list-edit.ts'
import type { PolicyPlace } from '../../../src/cli/policy/policy-place.ts'
import { terminalOf } from '../../../src/cli/streams.ts'
import type { Output } from '../../../src/cli/result/output.ts'
import type { PolicyEditAnswer } from '../../../src/policy-store/policy-edits.ts'
import { checkResult } from '../../support/check-result.ts'
import { UserError } from '../../../src/user-error.ts'

/** What is printed, and the exit code. */
async function printed(
  answer: PolicyEditAnswer,
  output: Output = 'text',
): Promise<{ out: string; error: string; code: number; thrown: unknown }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  let code = 0
  const terminal = terminalOf({
    stdin: new PassThrough(),
    stdout,
    stderr,
    env: {},
    cwd: '/',
    onStop: () => () => {},
  })
  const context: CommandContext = { terminal, finish: (given) => void (code = given) }
  let thrown: unknown
  try {
    await printEdit(
      { object: { kind: 'TrowPolicy', name: 'p' }, done: 'policy p denies x', output },
      answer,
      context,
    )
  } catch (error) {
    thrown = error
  }
  const next = (stream: PassThrough): Buffer | null => stream.read() as Buffer | null
  const textOf = (stream: PassThrough): string => {
    let text = ''
    for (let chunk = next(stream); chunk !== null; chunk = next(stream)) text += chunk.toString()
    return text
  }
  return { out: textOf(stdout), error: textOf(stderr), code, thrown }
}

const written = { place: '/p/p.json', hash: 'sha256:0' }
const problem = (message: string) => ({ place: undefined, message })

suite('what is said of an edit', () => {
  test('that it is in force', async () => {
    const { out, code } = await printed({ outcome: 'in-force', generation: 7, ...written })
    assert.deepEqual([out, code], ['policy p denies x: in force at every door (generation 7)\n', 0])
  })

  test('that it is written and not known to be in force, with why: exit code 75', async () => {
    const { out, error, code } = await printed({
      outcome: 'written',
      problems: [problem('the folder is away')],
      ...written,
    })
    assert.deepEqual(
      [out, code],
      ['policy p denies x: written to /p/p.json, not known to be in force yet\n', 75],
    )
    assert.equal(error, '  the folder is away\n"trow policy status" tells when it is.\n')
    const json = await printed({ outcome: 'written', problems: [problem('away')], ...written }, 'json')
    const { object, outcome, place, problems } = checkResult('PolicyEdit', json.out)
    assert.deepEqual([json.code, json.error, outcome, place], [75, '', 'written', '/p/p.json'])
    assert.deepEqual([object.name, problems], ['p', [{ message: 'away' }]])
  })

  test('that it was rejected, with every problem', async () => {
    const { out, error, thrown } = await printed({
      outcome: 'rejected',
      problems: [problem('spec.deny: no'), problem('b')],
    })
    assert.deepEqual([out, error], ['', 'spec.deny: no\nb\n'])
    assert.ok(thrown instanceof UserError && thrown.code === 'POLICY_INVALID')
  })
})

test('an edit that others always come before ends, with what it met', async () => {
  let edits = 0
  const place: PolicyPlace = {
    status: () => Promise.reject(new Error('not asked')),
    read: () => Promise.resolve(undefined),
    edit: () => {
      edits++
      return Promise.reject(new UserError('POLICY_CONFLICT', 'it was changed meanwhile'))
    },
    coverage: () => Promise.reject(new Error('not asked')),
    floor: () => Promise.resolve([]),
    running: () => Promise.reject(new Error('not asked')),
    podsRunning: () => Promise.reject(new Error('not asked')),
    close: () => Promise.resolve(),
  }
  const edit = { fresh: denyingPolicy('p'), edit: () => ({ kind: 'changed', policy: denyingPolicy('p'), done: '' }) as const } // prettier-ignore
  await assert.rejects(editPolicy(place, 'p', edit), { code: 'POLICY_CONFLICT' })
  assert.equal(edits, 10)
  await assert.rejects(editPolicy(place, 'p', { ...edit, fresh: undefined }), { code: 'POLICY_UNKNOWN' })
})
