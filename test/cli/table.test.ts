import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { suite, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import fc from 'fast-check'
import { lookOf, printTable, type Look } from '../../src/cli/table.ts'
import { terminalOf } from '../../src/cli/streams.ts'
import { printedText } from '../../src/visible-text.ts'

const digest = `sha256:${'0123456789abcdef'.repeat(4)}`

function lookAt(columns: number | undefined, env: Readonly<Record<string, string>> = {}, options = {}): Look {
  const stdout = Object.assign(new PassThrough(), columns === undefined ? {} : { isTTY: true, columns })
  const stream = { stdin: new PassThrough(), stdout, stderr: stdout, cwd: '/', onStop: () => () => {} }
  const terminal = terminalOf({ ...stream, env: { LANG: 'en_US.UTF-8', NO_COLOR: '1', ...env } })
  return lookOf(terminal.stdout, terminal.env, options)
}

const rows = [
  ['TAG', 'DIGEST', 'SIZE', 'NOTE'],
  ['latest', digest, '12 MiB', 'the newest of all that were ever built here'],
  ['1', digest, '9.5 MiB', '-'],
]

suite('a table', () => {
  test('in a pipe: whole, aligned, sizes to the right', () => {
    assert.equal(
      printTable(rows, lookAt(undefined)),
      `TAG     DIGEST                                                                      SIZE  NOTE
latest  ${digest}   12 MiB  the newest of all that were ever built here
1       ${digest}  9.5 MiB  -
`,
    )
  })

  test('a column without a number is not one of numbers', () => {
    assert.equal(
      printTable([
        ['A', 'B', 'N'],
        ['-', '-', '-'],
        ['x', '-', '12'],
      ]),
      'A  B   N\n-  -   -\nx  -  12\n',
    )
  })

  test('tags are names, also where all of them look like numbers', () => {
    assert.equal(
      printTable([
        ['TAG', 'SIZE'],
        ['1', '5 MB'],
        ['1.12', '17 MB'],
      ]),
      'TAG    SIZE\n1      5 MB\n1.12  17 MB\n',
    )
  })

  test('on a terminal: short digests, no line that wraps, and the cut is marked', () => {
    assert.equal(
      printTable(rows, lookAt(60)),
      `TAG     DIGEST                  SIZE  NOTE
latest  sha256:0123456789ab   12 MiB  the newest of all th…
1       sha256:0123456789ab  9.5 MiB  -
`,
    )
    assert.match(printTable(rows, lookAt(60, { LANG: 'C' })), /the newest of all \.\.\.\n/)
  })

  test('a short digest stays whole where other cells can be cut', () => {
    const platforms = 'linux/amd64,linux/arm64,linux/arm/v7'
    assert.equal(
      printTable(
        [
          ['TAG', 'DIGEST', 'PLATFORMS'],
          ['1.2', digest, platforms],
        ],
        lookAt(40),
      ),
      'TAG  DIGEST               PLATFORMS\n1.2  sha256:0123456789ab  linux/…arm/v7\n',
    )
  })

  test('--no-trunc: whole on a terminal too', () => {
    assert.equal(printTable(rows, lookAt(60, {}, { trunc: false })), printTable(rows, lookAt(undefined)))
  })

  test('with more columns than fit: one line for each cell', () => {
    const wide = [
      ['NODE', 'RUNTIME', 'IDENTITY'],
      ['node-1.example.com', 'containerd 2.1.4', 'certificate until May'],
      ['node-2.example.com', 'containerd 2.1.4', 'none'],
    ]
    assert.equal(
      printTable(wide, lookAt(30)),
      `NODE      node-1.example.com
RUNTIME   containerd 2.1.4
IDENTITY  certificate until May

NODE      node-2.example.com
RUNTIME   containerd 2.1.4
IDENTITY  none
`,
    )
  })

  test('colours do not move a column', () => {
    const look = lookAt(120, { NO_COLOR: '' })
    const roles = { NOTE: () => 'bad' as const }
    const coloured = printedText(printTable(rows, look, roles))
    assert.ok(coloured.includes('\u001b[31m-\u001b[39m'))
    assert.equal(stripVTControlCharacters(coloured), printTable(rows, lookAt(120)))
  })

  test('whatever the cells: no line is wider than the terminal, unless each cell has its own', () => {
    const cell = fc.oneof(fc.string({ maxLength: 60 }), fc.constant(digest), fc.constant('12 MiB'))
    const cells = fc.array(cell, { minLength: 3, maxLength: 3 })
    fc.assert(
      fc.property(
        fc.array(cells, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 20, max: 150 }),
        (body, width) => {
          const printed = printTable([['A', 'B', 'C'], ...body], lookAt(width))
          if (printed.startsWith('A  ') && printed.split('\n')[1]?.startsWith('B  ')) return
          for (const line of printed.split('\n')) assert.ok(line.length < width, line)
        },
      ),
    )
  })
})
