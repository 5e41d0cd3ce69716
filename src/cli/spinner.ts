import type { Ora } from 'ora'
import { colorsOf, isRedrawn } from './display.ts'
import type { Terminal } from './streams.ts'

/** A spinner on stderr, silent where nothing can be drawn. */
export async function openSpinner({ stderr, env }: Terminal): Promise<Ora> {
  // Loaded only where somebody looks.
  const { default: ora } = await import('ora')
  const isSilent = !isRedrawn(stderr, env)
  const color = colorsOf(stderr, env).level === 0 ? false : 'cyan'
  const stream = stderr as NodeJS.WriteStream
  return ora({ stream, isSilent, isEnabled: !isSilent, color, discardStdin: false })
}
