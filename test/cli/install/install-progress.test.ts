import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { terminalOf, type Terminal } from '../../../src/cli/streams.ts'
import { installProgress } from '../../../src/cli/install/install-progress.ts'
import { prepare } from '../../install/fake-install.ts'

const nodes = Array.from({ length: 300 }, (_, index) => `node-${index}`)

function terminalOn(stream: PassThrough): Terminal {
  const given = { stdin: stream, stdout: stream, stderr: stream, env: { LC_ALL: 'C.UTF-8' }, cwd: '/' }
  return terminalOf({ ...given, onStop: () => () => {} })
}

/** What an install of 300 nodes writes without a terminal, and the clock of the run. */
function written(): { run: ReturnType<typeof prepare>; go: () => Promise<string[]> } {
  const run = prepare(nodes)
  const stderr = new PassThrough()
  let text = ''
  stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  const terminal = terminalOn(stderr)
  return {
    run,
    async go() {
      const progress = await installProgress(terminal, run.now)
      await run.go({}, { progress }).catch((error: unknown) => void (text += `${String(error)}\n`))
      return text.trim().split('\n')
    },
  }
}

test('without a terminal, 300 nodes that follow one by one take lines for what is new, not for who is left', async () => {
  const { run, go } = written()
  let ready = 0
  run.cluster.report = (node) => (nodes.indexOf(node) < ready ? {} : false)
  const { sleep } = run
  run.sleep = async (milliseconds) => {
    await sleep(milliseconds)
    ready += 3
    await run.cluster.reportAgain()
  }
  const lines = await go()
  assert.ok(
    lines.some((line) => line.startsWith('√ pull of it on every node')),
    lines.join('\n'),
  )
  assert.ok(
    lines.includes('  node-0, node-1, node-2 and 297 more: its agent has not reported yet'),
    lines.join('\n'),
  )
  assert.ok(lines.length < 40, `${lines.length} lines:\n${lines.join('\n')}`)
})

test('a reason is told once, and nodes that come to have it later are gathered', async () => {
  const stderr = new PassThrough()
  const terminal = terminalOn(stderr)
  let [text, time] = ['', 0]
  stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  const progress = await installProgress(terminal, () => time)
  const failed = (count: number): { node: string; text: string }[] =>
    nodes.slice(0, count).map((node, index) => ({
      node,
      text: `its pull on ${node} failed: dial tcp 10.0.0.${index}:443: connection refused`,
    }))
  progress.start('pulls')
  for (let count = 1; count <= 100; count++) {
    progress.state(failed(count))
    time += 500
  }
  const lines = text.trim().split('\n')
  assert.equal(lines[1], '  node-0: its pull on node-0 failed: dial tcp 10.0.0.0:443: connection refused')
  assert.match(lines[2] ?? '', /^ {2}node-1, node-2, node-3 and 17 more: /)
  assert.equal(lines.length, 1 + 5, text)
})

test('300 nodes with one fault: it is told once in the end, with how many there are', async () => {
  const { run, go } = written()
  const problem = { code: 'X', message: 'config_path is not set', hint: 'Set it.', fatal: true }
  run.cluster.report = () => ({ class: 'unset', phase: 'problem', canary: undefined, problems: [problem] })
  const lines = await go()
  const last = lines.at(-1) ?? ''
  assert.match(
    last,
    /300 of 300 nodes cannot pull.*: node-0, node-1, node-2 and 297 more: config_path is not set$/,
  )
  assert.ok(lines.length < 30, `${lines.length} lines`)
})
