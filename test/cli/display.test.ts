import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { colorsOf, fitted } from '../../src/cli/display.ts'
import { installProgress } from '../../src/cli/install/install-progress.ts'
import { WorkProgress } from '../../src/cli/progress/work-progress.ts'
import { PushProgress } from '../../src/cli/push/push-progress.ts'
import { terminalOf, type Terminal } from '../../src/cli/streams.ts'
import type { Digest } from '../../src/oci/digest.ts'

/** Records what a command writes to stderr; cursor moves are recorded as marks. */
function screen(env: Terminal['env'], isTTY = true): { terminal: Terminal; text(): string } {
  const moved = (stream: PassThrough, mark: string) => (): boolean => stream.write(mark)
  const stream = new PassThrough()
  let text = ''
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const stderr = Object.assign(stream, {
    isTTY,
    columns: 40,
    clearLine: moved(stream, '\u001b[2K'),
    cursorTo: moved(stream, '\u001b[G'),
    moveCursor: moved(stream, '\u001b[A'),
  })
  const stdin = new PassThrough()
  const terminal = terminalOf({
    stdin,
    stdout: stderr,
    stderr,
    env: { LC_ALL: 'C.UTF-8', ...env },
    cwd: '/',
    onStop: () => () => {},
  })
  return { terminal, text: () => text }
}

async function showInstall({ terminal }: { terminal: Terminal }): Promise<void> {
  const progress = await installProgress(terminal, () => 0)
  progress.start('registry')
  progress.state([{ text: `pod trow-0 on n1: ${'waits for its volume '.repeat(10)}\nand a second line` }])
  // The spinner draws by a timer.
  await new Promise((resolve) => setTimeout(resolve, 300))
  progress.end('registry', 1234)
  progress.start('pulls')
  progress.close()
}

const visible = (text: string): string[] => stripVTControlCharacters(text).split('\n')

test('no line of a running step wraps', async () => {
  const shown = screen({})
  await showInstall(shown)
  assert.match(shown.text(), /waits for its/)
  for (const line of visible(shown.text())) assert.ok(line.length < 40, line)
  assert.ok(shown.text().includes('\u001b[32m√'))
  assert.match(visible(shown.text()).join('\n'), /√ registry \(1\.2 s\)[\s\S]*× pulls/)
})

test('NO_COLOR: redrawn, and nothing is coloured', async () => {
  const shown = screen({ NO_COLOR: '1' })
  await showInstall(shown)
  assert.ok(shown.text().includes('\u001b['))
  assert.doesNotMatch(shown.text(), /\[[\d;]*m/)
  assert.equal(colorsOf(shown.terminal.stderr, { NO_COLOR: '' }).areOn, true)
})

for (const [name, env, isTTY] of [
  ['a dumb terminal', { TERM: 'dumb' }, true],
  ['a pipe', { TERM: 'xterm' }, false],
] as const) {
  test(`${name}: whole lines, once each, without any escape`, async () => {
    const shown = screen(env, isTTY)
    await showInstall(shown)
    const work = new WorkProgress(shown.terminal)
    const progress = new PushProgress(work)
    const digest = `sha256:${'a'.repeat(64)}` as Digest
    const line = progress.begin({ digest, size: 10 } as never)
    line.sent(5)
    line.done('pushed')
    work.end()
    assert.ok(!shown.text().includes('\u001b'))
    assert.equal(shown.text().match(/√ registry/g)?.length, 1)
    assert.equal(shown.text().match(/sha256:/g)?.length, 1)
  })
}

test('a line is cut to the terminal, with a sign that it is', () => {
  assert.equal(fitted('x'.repeat(100), { columns: 30 } as never), `${'x'.repeat(28)}…`)
  assert.equal(fitted('short', { columns: 30 } as never), 'short')
  assert.equal(fitted('x'.repeat(100), { columns: 0 } as never).length, 79)
})
