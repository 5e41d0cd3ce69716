import { visibleLine } from '../visible-text.ts'
import type { UserError } from '../user-error.ts'
import { colorsOf } from './display.ts'
import type { Terminal } from './streams.ts'

/** Writes one line on stderr, and the hint below it. */
export function printUserError({ message, code, hint }: UserError, { stderr, env }: Terminal): void {
  const { bad, faint } = colorsOf(stderr, env)
  stderr.write(`${bad('trow:')} ${visibleLine(message)} ${faint(`(${code})`)}\n`)
  if (hint !== undefined) stderr.write(`  ${hint}\n`)
}
