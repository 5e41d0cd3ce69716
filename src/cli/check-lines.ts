import type { ChalkInstance } from 'chalk'
import type { Check, CheckCategory } from '../cluster/check.ts'

/** What stands before a line that says how something went. */
export const marks = { success: '√', warning: '‼', error: '×', unknown: '?' } as const

/** Categories as people read them: a mark a line, the fault and what to do about it below. `short` leaves out what is well. */
export function checkLines(
  categories: readonly CheckCategory[],
  { chalk, short = false }: { readonly chalk: ChalkInstance; readonly short?: boolean },
): string {
  const color = { success: chalk.green, warning: chalk.yellow, error: chalk.red, unknown: chalk.red }
  const lines: string[] = []
  for (const { categoryName, checks } of categories) {
    const shown = short ? checks.filter(({ result }) => result !== 'success') : checks
    if (shown.length === 0) continue
    if (lines.length > 0) lines.push('')
    lines.push(chalk.bold(categoryName))
    for (const check of shown) lines.push(...linesOf(check, color[check.result](marks[check.result]), chalk))
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

function linesOf({ description, error, hint }: Check, mark: string, chalk: ChalkInstance): string[] {
  return [
    `${mark} ${description}`,
    ...(error === undefined ? [] : [`    ${error}`]),
    ...(hint === undefined ? [] : [`    ${chalk.dim(hint)}`]),
  ]
}
