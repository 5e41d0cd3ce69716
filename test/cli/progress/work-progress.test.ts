import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { barLine } from '../../../src/cli/progress/bar-line.ts'
import { WorkProgress } from '../../../src/cli/progress/work-progress.ts'
import { PushProgress } from '../../../src/cli/push/push-progress.ts'
import { terminalOf, type Terminal } from '../../../src/cli/streams.ts'
import type { BlobSource } from '../../../src/upstream/registry-pusher.ts'

function screen(
  env: Terminal['env'] = {},
  isTTY = true,
): { readonly terminal: Terminal; text(): string; lines(): string[] } {
  const stderr = Object.assign(new PassThrough(), { isTTY, columns: 120 })
  let text = ''
  stderr.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const stdin = new PassThrough()
  const terminal = terminalOf({ stdin, stdout: stderr, stderr, env, cwd: '/', onStop: () => () => {} })
  /** What stands on the screen after the moves. */
  const lines = (): string[] => {
    const shown: string[] = []
    // oxlint-disable-next-line no-control-regex
    for (const part of text.split(/(\u001b\[1A\u001b\[J|\n)/))
      if (part.startsWith('\u001b')) shown.pop()
      else if (part !== '\n' && part !== '') shown.push(part)
    return shown
  }
  return { terminal, text: () => text, lines }
}

test('the bar shows the part, the rate and the time left', () => {
  const line = barLine({ done: 25e6, total: 100e6, rate: 5e6 })
  assert.equal(line, '  [======>                 ]  25 %  25.0 MB of 100 MB  5.0 MB/s  15 s left')
  assert.match(barLine({ done: 1, total: 1e12, rate: 1e8 }), /2 h 46 min left$/)
  assert.match(barLine({ done: 0, total: 1e10, rate: 1e8 }), /1 min 40 s left$/)
  assert.equal(barLine({ done: 5e6, total: undefined, rate: 1e6 }), '  5.0 MB  1.0 MB/s')
  // More was done than was expected: a total is an estimate.
  assert.match(barLine({ done: 12, total: 10, rate: undefined }), /100 %  10 B of 10 B$/)
})

test('the rate is that of the last seconds, and is not told before it says something', () => {
  let now = 0
  const shown = screen()
  const work = new WorkProgress(shown.terminal, { now: () => now })
  work.expect(1000e6)
  for (; now <= 30_000; now += 500) work.add(now < 20_000 ? 1e6 : 10e6)
  const last = shown.lines().at(-1) ?? ''
  work.end()
  assert.match(last, /20\.0 MB\/s|19\.\d MB\/s/, last)
  assert.doesNotMatch(shown.text().split('\n').slice(0, 2).join('\n'), /\/s/)
})

for (const [where, env, isTTY, output] of [
  ['in a pipe', {}, false, 'text'],
  ['in CI', { CI: 'true' }, true, 'text'],
  ['on a dumb terminal', { TERM: 'dumb' }, true, 'text'],
  ['where a program reads', {}, true, 'json'],
] as const)
  test(`nothing is drawn ${where}`, () => {
    const shown = screen(env, isTTY)
    const work = new WorkProgress(shown.terminal, { output })
    work.expect(10)
    work.add(5)
    work.end()
    assert.equal(shown.text(), '')
  })

test('lines stay above the bar, and the bar goes at the end', () => {
  let now = 0
  const shown = screen()
  const work = new WorkProgress(shown.terminal, { now: () => now })
  work.set(5, 10)
  work.say('one')
  now += 200
  work.set(10, 10)
  work.say('two')
  assert.deepEqual([shown.lines().slice(0, 2), shown.lines().length], [['one', 'two'], 3])
  work.end()
  assert.deepEqual(shown.lines(), ['one', 'two'])
})

test('a push counts what is sent, and not what the registry has', () => {
  let now = 0
  const shown = screen()
  const work = new WorkProgress(shown.terminal, { now: () => now })
  const progress = new PushProgress(work)
  const blob = (name: string, size: number): BlobSource =>
    ({ digest: `sha256:${name.repeat(64)}`, size }) as unknown as BlobSource
  progress.expect(300)
  progress.begin(blob('a', 100)).done('there')
  const second = progress.begin(blob('b', 200))
  second.sent(50)
  // The connection was cut, and the registry has less than was sent.
  second.sent(20)
  now += 200
  second.sent(100)
  assert.match(shown.lines().at(-1) ?? '', / 50 %  100 B of 200 B/)
  second.done('pushed')
  work.end()
  assert.deepEqual(shown.lines(), [
    `  sha256:${'a'.repeat(12)}  is there already  100 B`,
    `  sha256:${'b'.repeat(12)}  pushed  200 B`,
  ])
})

test('a line that is said after the end stands alone, and a second end takes nothing away', () => {
  const shown = screen()
  const work = new WorkProgress(shown.terminal, {})
  work.expect(100)
  work.add(100)
  work.end()
  work.say('1 of 1 blob sent')
  shown.terminal.stderr.write('registry/app:1\n')
  work.end()
  assert.deepEqual(shown.lines(), ['1 of 1 blob sent', 'registry/app:1'])
})
