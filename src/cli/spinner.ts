import { colorsOf, isRedrawn } from './display.ts'
import { isUtf8 } from './locale.ts'
import { printerFor, type Terminal } from './streams.ts'

/**
 * A line that is redrawn during the work. Its texts are for people, so that control characters are printed as
 * escapes, as on the terminal.
 */
export interface Spinner {
  readonly isSpinning: boolean
  start(text: string): void
  show(text: string): void
  stop(): void
  /** Replaces the spinner by a line that stays on the screen. */
  stopWith(line: { readonly symbol: string; readonly text: string }): void
}

/** Opens a spinner on stderr; it prints nothing if the terminal cannot redraw. */
export async function openSpinner({ stderr, exact, env }: Terminal): Promise<Spinner> {
  // Loaded only if a spinner is used.
  const { default: ora } = await import('ora')
  const isSilent = !isRedrawn(stderr, env)
  const color = colorsOf(stderr, env).areOn ? 'cyan' : false
  const stream = exact.stderr as NodeJS.WriteStream
  const printed = printerFor(env)
  const spinner = isUtf8(env) ? 'dots' : 'line'
  const drawn = ora({ stream, isSilent, isEnabled: !isSilent, color, discardStdin: false, spinner })
  return {
    get isSpinning() {
      return drawn.isSpinning
    },
    start: (text) => void drawn.start(printed(text)),
    show: (text) => void (drawn.text = printed(text)),
    stop: () => void drawn.stop(),
    stopWith: ({ symbol, text }) =>
      void drawn.stopAndPersist({ symbol: printed(symbol), text: printed(text) }),
  }
}
