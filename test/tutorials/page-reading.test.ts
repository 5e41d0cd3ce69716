import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isAsShown, parseTutorial } from './parse-tutorial.ts'
import { drawTerminals } from './terminal-picture.ts'

const page = (...blocks: readonly string[]): string => ['# Title', ...blocks].join('\n')

suite('the pages of tutorials', () => {
  test('commands go on after a backslash, and end before the next one', () => {
    const { steps } = parseTutorial(
      page('```console fails', '$ trow \\', '  list', 'nothing', '', '$ ls', '```'),
    )
    assert.deepEqual(steps, [
      {
        kind: 'commands',
        line: 2,
        terminal: '',
        fails: true,
        commands: [
          { command: 'trow \\\n  list', shown: ['$ trow \\', '  list', 'nothing'] },
          { command: 'ls', shown: ['$ ls'] },
        ],
      },
    ])
  })

  test('a block that nobody would run is refused', () => {
    assert.throws(() => parseTutorial(page('```yaml', 'a: 1', '```')), /line 2: the block is neither/)
    assert.throws(
      () => parseTutorial(page('```console', 'nothing', '```')),
      /line 3: the block begins without/,
    )
    assert.throws(() => parseTutorial(page('```console', '$ ls')), /line 2: the block has no end/)
  })

  test('a screen is compared line by line', () => {
    const shown = ['$ ls', 'a  …', '…', 'z']
    assert.ok(isAsShown(['$ ls', 'a  1', 'z'], shown))
    assert.ok(isAsShown(['$ ls', 'a  1  ', 'b', 'c', 'z'], shown))
    assert.ok(isAsShown(['$ ls', '     a    1', 'z'], shown))
    assert.ok(!isAsShown(['$ ls', 'a 1', 'z'], shown))
    assert.ok(!isAsShown(['$ ls', 'a  1', 'z', 'more'], shown))
    assert.ok(!isAsShown(['$ ls', 'a', '1', 'z'], shown))
    assert.ok(!isAsShown(['$ ls', 'a  1', 'b.z'], shown))
  })

  test('a picture has each piece in its column and colour', () => {
    const wrapped = drawTerminals([{ title: 'a', screen: '\u001b[32mone\ntwo\u001b[39m' }], 3)
    assert.match(wrapped, /fill="#7ee787">two</)
    const svg = drawTerminals([{ title: 'a & b', screen: '\u001b[32mok\u001b[39m <x>' }], 20)
    assert.match(svg, /<text x="14\.0" y="44" fill="#7ee787">ok<\/text>/)
    assert.match(svg, /<text x="29\.6" y="44" fill="#e6edf3"> &lt;x&gt;<\/text>/)
    assert.match(svg, /<title>a &amp; b<\/title>/)
  })
})
