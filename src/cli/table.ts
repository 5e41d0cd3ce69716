import { visibleLine } from '../visible-text.ts'
import { colorsOf, widthOf, type Colors, type Role } from './display.ts'
import type { Terminal } from './streams.ts'

/** How tables are printed on a stream. */
export interface Look {
  /** Columns of the terminal; `undefined`: nothing is shortened. */
  readonly width: number | undefined
  readonly colors: Colors
  readonly ellipsis: string
}

/** Adds the flag of commands that print tables. Their options hold `trunc`. */
export const noTrunc = ['--no-trunc', 'print whole digests and cells, on a terminal too'] as const

/**
 * Returns the look of tables on a stream. Of a command's options it reads `trunc`, which --no-trunc sets to false. In pipes and files nothing is
 * shortened, and nothing is coloured.
 */
export function lookOf(stream: Terminal['stdout'], env: Terminal['env'], options: object = {}): Look {
  return {
    width: 'trunc' in options && options.trunc === false ? undefined : widthOf(stream),
    colors: colorsOf(stream, env),
    ellipsis: stream.isAscii === true ? '...' : '…',
  }
}

/** The role of a cell, by the heading of its column. */
export type CellRoles = Readonly<Record<string, (cell: string) => Role | undefined>>

/** The number of spaces between columns. */
export const gap = 2

/** A column is not made narrower than this. */
const least = 12

/**
 * Prints columns as wide as their longest cell, with two spaces between them; the first row has the headings.
 * Columns of numbers and sizes are right-aligned. Control characters in cells are printed as escapes.
 *
 * On a terminal digests are short, and the widest cells are cut so that no line wraps. A table that is still too
 * wide is printed with one line for each cell.
 */
export function printTable(
  given: readonly (readonly string[])[],
  look?: Look,
  roles: CellRoles = {},
): string {
  const [head = [], ...rows] = given.map((row) => row.map((cell) => visibleLine(shortened(cell, look))))
  if (head.length === 0) return '\n'
  const natural = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  )
  const isNumeric = head.map((title, column) => {
    if (names.has(title)) return false
    const cells = rows.map((row) => row[column] ?? '').filter((cell) => cell !== '-')
    return cells.length > 0 && cells.every((cell) => number.test(cell))
  })
  const widths = look?.width === undefined ? natural : fittedWidths(natural, [head, ...rows], look.width)
  if (widths === undefined) return printRecords(head, rows, look, roles)
  const line = (row: readonly string[], paint: (cell: string, column: number) => string): string =>
    widths
      .map((width, column) => {
        const cell = cut(row[column] ?? '', width, look?.ellipsis ?? '')
        const space = ' '.repeat(width - cell.length)
        const isLast = column === row.length - 1
        const shown = cell === '' ? '' : paint(cell, column)
        return isNumeric[column] === true ? `${space}${shown}` : isLast ? shown : `${shown}${space}`
      })
      .slice(0, row.length)
      .join(' '.repeat(gap))
      .trimEnd()
  const body = rows.map((row) =>
    line(row, (cell, column) => painted(cell, row[column], head[column], look, roles)),
  )
  return [line(head, (cell) => look?.colors.heading(cell) ?? cell), ...body]
    .map((each) => `${each}\n`)
    .join('')
}

/** As `printTable`, with two spaces in front of each line. */
export function indentedTable(rows: readonly (readonly string[])[], look: Look | undefined): string {
  const width = look?.width === undefined ? undefined : look.width - 2
  return printTable(rows, look === undefined ? undefined : { ...look, width }).replaceAll(/^(?=.)/gm, '  ')
}

/** Columns of names: a tag may look like a number, and is none. */
const names = new Set(['TAG', 'NAME', 'REPOSITORY'])

/** A number or a size. */
const number = /^[\d,.]+( ?[KMGT]?i?B)?$/

/** A time is worth nothing without its end, and a short digest with less of it. */
const whole = /^(-|never|\d{4}-\d\d-\d\d(T[\d:.]+Z)?|sha(256|512):[\da-f]{12})$/

const digest = /\b(sha256|sha512):([0-9a-f]{12})[0-9a-f]{52,}/g

/** Returns the cell in at most `width` columns, with short digests; unchanged if there is no width. */
export function fitCell(cell: string, width: number | undefined, look: Look | undefined): string {
  return width === undefined ? cell : cut(visibleLine(shortened(cell, look)), width, look?.ellipsis ?? '…')
}

function shortened(cell: string, look: Look | undefined): string {
  return look?.width === undefined ? cell : cell.replaceAll(digest, '$1:$2')
}

/** Takes from the widest column until the line fits; `undefined` if it cannot. */
function fittedWidths(
  natural: readonly number[],
  [head = [], ...rows]: readonly (readonly string[])[],
  room: number,
): readonly number[] | undefined {
  const widths = [...natural]
  const lowest = natural.map((width, column) =>
    rows.every((row) => whole.test(row[column] ?? ''))
      ? width
      : Math.min(width, Math.max(least, head[column]?.length ?? 0)),
  )
  // The last column of the screen stays free: some terminals wrap when it is written.
  let excess = widths.reduce((sum, width) => sum + width, gap * (widths.length - 1)) - (room - 1)
  for (; excess > 0; excess--) {
    const spare = widths.map((width, column) => (width > (lowest[column] ?? 0) ? width : 0))
    const widest = spare.indexOf(Math.max(...spare))
    if (spare[widest] === 0) return undefined
    widths[widest] = (widths[widest] ?? 0) - 1
  }
  return widths
}

/** Cuts the end of a sentence, and the middle of a name, whose end tells more. */
function cut(cell: string, width: number, ellipsis: string): string {
  if (cell.length <= width) return cell
  const room = width - ellipsis.length
  const tail = cell.includes(' ') ? 0 : Math.floor(room / 2)
  return `${cell.slice(0, room - tail)}${ellipsis}${cell.slice(cell.length - tail)}`
}

function printRecords(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  look: Look | undefined,
  roles: CellRoles,
): string {
  const width = Math.max(...head.map((title) => title.length))
  const records = rows.map((row) =>
    row
      .map((cell, column) => {
        const title = (head[column] ?? '').padEnd(width)
        return `${look?.colors.heading(title) ?? title}  ${painted(cell, cell, head[column], look, roles)}\n`
      })
      .join(''),
  )
  return records.join('\n')
}

function painted(shown: string, cell = '', title = '', look?: Look, roles: CellRoles = {}): string {
  const role = roles[title]?.(cell)
  return role === undefined || look === undefined ? shown : look.colors[role](shown)
}
