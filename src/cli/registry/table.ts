import { visibleLine } from '../../visible-text.ts'

/** Columns as wide as their longest cell, two spaces between; numbers are not right-aligned. Cells may hold text of others. */
export function printTable(given: readonly (readonly string[])[]): string {
  const rows = given.map((row) => row.map(visibleLine))
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length)
  }
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  return `${lines.join('\n')}\n`
}
