import type { Check, CheckCategory } from '../cluster/check.ts'
import type { Colors } from './display.ts'
import { visibleLine } from './visible-text.ts'

/** What stands before a line that says how something went. */
export const marks = { success: '√', warning: '‼', error: '×', unknown: '?' } as const

/** Categories as people read them: a mark a line, the fault and what to do about it below. `short` leaves out what is well. */
export function checkLines(
  categories: readonly CheckCategory[],
  { colors, short = false }: { readonly colors: Colors; readonly short?: boolean },
): string {
  const color = { success: colors.green, warning: colors.yellow, error: colors.red, unknown: colors.red }
  const lines: string[] = []
  for (const { categoryName, checks } of categories) {
    const shown = short ? checks.filter(({ result }) => result !== 'success') : checks
    if (shown.length === 0) continue
    if (lines.length > 0) lines.push('')
    lines.push(colors.bold(categoryName))
    for (const check of shown) lines.push(...linesOf(check, color[check.result](marks[check.result]), colors))
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

function linesOf({ description, error, hint }: Check, mark: string, colors: Colors): string[] {
  return [
    `${mark} ${visibleLine(description)}`,
    ...(error === undefined ? [] : [`    ${visibleLine(error)}`]),
    ...(hint === undefined ? [] : [`    ${colors.dim(hint)}`]),
  ]
}
