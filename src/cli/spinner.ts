import { colorsOf, isRedrawn } from './display.ts'
import type { Terminal } from './streams.ts'
import { printedText } from '../visible-text.ts'

/** A line that is redrawn while work goes on; its texts are for people, like the terminal's. */
export interface Spinner {
  readonly isSpinning: boolean
  start(text: string): void
  show(text: string): void
  stop(): void
  /** Leaves a line on the screen. */
  stopWith(line: { readonly symbol: string; readonly text: string }): void
}

/** A spinner on stderr, silent where nothing can be drawn. */
export async function openSpinner({ stderr, exact, env }: Terminal): Promise<Spinner> {
  // Loaded only where somebody looks.
  const { default: ora } = await import('ora')
  const isSilent = !isRedrawn(stderr, env)
  const color = colorsOf(stderr, env).areOn ? 'cyan' : false
  const stream = exact.stderr as NodeJS.WriteStream
  const drawn = ora({ stream, isSilent, isEnabled: !isSilent, color, discardStdin: false })
  return {
    get isSpinning() {
      return drawn.isSpinning
    },
    start: (text) => void drawn.start(printedText(text)),
    show: (text) => void (drawn.text = printedText(text)),
    stop: () => void drawn.stop(),
    stopWith: ({ symbol, text }) =>
      void drawn.stopAndPersist({ symbol: printedText(symbol), text: printedText(text) }),
  }
}
