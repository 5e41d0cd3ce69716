import type { Check, CheckCategory } from '../cluster/check.ts'
import { faultKey, groupBy, named } from '../cluster/grouped-faults.ts'
import { visibleLine } from '../visible-text.ts'
import { wrapped } from './help/help-notes.ts'
import type { Look } from './table.ts'

/** The mark at the beginning of a line, by result. */
export const marks = { success: '√', warning: '‼', error: '×', unknown: '?' } as const

/** Up to this many equal checks of different nodes are printed one by one; of more, only the first. */
const most = 3

/**
 * Formats the checks for people: one line with a mark for each check, with the error and the hint below it.
 * Equal checks of many nodes are printed once. `short` omits checks that succeeded. Lines are broken at `width` columns, but for hints: they hold
 * commands to be copied.
 */
export function checkLines(
  categories: readonly CheckCategory[],
  { colors, width, short = false }: Pick<Look, 'colors' | 'width'> & { readonly short?: boolean },
): string {
  const color = { success: colors.good, warning: colors.warning, error: colors.bad, unknown: colors.bad }
  const lines: string[] = []
  for (const { categoryName, checks } of categories) {
    const shown = short ? checks.filter(({ result }) => result !== 'success') : checks
    if (shown.length === 0) continue
    if (lines.length > 0) lines.push('')
    lines.push(colors.heading(categoryName))
    for (const equal of groupBy(shown, keyOf)) {
      const told = equal.length > most ? equal.slice(0, 1) : equal
      for (const check of told)
        lines.push(...linesOf(check, color[check.result](marks[check.result]), { colors, width }))
      const others = equal.slice(told.length).flatMap(({ node }) => node ?? [])
      if (others.length > 0) lines.push(colors.faint(`    so too: ${visibleLine(named(others))}`))
    }
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

/** Returns the same key for checks that differ only in their node. */
function keyOf({ node, result, description, error = '' }: Check, index: number): string {
  if (node === undefined) return `${index}`
  return `${result} ${faultKey({ node, text: description })} ${faultKey({ node, text: error })}`
}

function linesOf(
  { description, error, hint }: Check,
  mark: string,
  { colors, width }: Pick<Look, 'colors' | 'width'>,
): string[] {
  const broken = (text: string, indent: number): string[] => {
    const line = visibleLine(text)
    // The last column of the screen stays free, as in tables.
    const lines = width === undefined ? [line] : wrapped(line, width - indent - 1)
    return lines.map((each) => `${' '.repeat(indent)}${each}`)
  }
  const [first = '', ...more] = broken(description, 2)
  return [
    `${mark} ${first.trimStart()}`,
    ...more,
    ...(error === undefined ? [] : broken(error, 4)),
    ...(hint === undefined ? [] : [`    ${colors.faint(hint)}`]),
  ]
}
