import type { Check, CheckCategory } from '../cluster/check.ts'
import { faultKey, groupBy, named } from '../cluster/grouped-faults.ts'
import type { Colors } from './display.ts'
import { visibleLine } from '../visible-text.ts'

/** What stands before a line that says how something went. */
export const marks = { success: '√', warning: '‼', error: '×', unknown: '?' } as const

/** Equal checks of so many nodes are shown one by one; of more, the first stands for all. */
const most = 3

/**
 * Categories as people read them: a mark a line, the fault and what to do about it below; equal ones of many nodes once. `short`
 * leaves out what is well.
 */
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
    for (const equal of groupBy(shown, keyOf)) {
      const told = equal.length > most ? equal.slice(0, 1) : equal
      for (const check of told)
        lines.push(...linesOf(check, color[check.result](marks[check.result]), colors))
      const others = equal.slice(told.length).flatMap(({ node }) => node ?? [])
      if (others.length > 0) lines.push(colors.dim(`    so too: ${visibleLine(named(others))}`))
    }
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

/** Equal for checks that differ in nothing but their node. */
function keyOf({ node, result, description, error = '' }: Check, index: number): string {
  if (node === undefined) return `${index}`
  return `${result} ${faultKey({ node, text: description })} ${faultKey({ node, text: error })}`
}

function linesOf({ description, error, hint }: Check, mark: string, colors: Colors): string[] {
  return [
    `${mark} ${visibleLine(description)}`,
    ...(error === undefined ? [] : [`    ${visibleLine(error)}`]),
    ...(hint === undefined ? [] : [`    ${colors.dim(hint)}`]),
  ]
}
