import type { Progress } from '../../install/install-context.ts'
import { marks } from '../check-lines.ts'
import { colorsOf, fitted, isRedrawn } from '../display.ts'
import { openSpinner } from '../spinner.ts'
import { visibleLine } from '../visible-text.ts'
import type { Terminal } from '../streams.ts'

/**
 * Steps on stderr: on a terminal the running one is redrawn with what it waits for; elsewhere a line is written when
 * something is news.
 */
export async function installProgress(terminal: Terminal): Promise<Progress & { close(): void }> {
  return isRedrawn(terminal.stderr, terminal.env) ? drawn(terminal) : lines(terminal)
}

function lines({ stderr }: Terminal): Progress & { close(): void } {
  let told = ''
  return {
    start(title) {
      told = ''
      stderr.write(`${title} …\n`)
    },
    state(reasons) {
      const news = reasons.join('\n')
      if (news === told) return
      told = news
      for (const reason of reasons) stderr.write(`  ${reason}\n`)
    },
    end(title, milliseconds) {
      stderr.write(`${marks.success} ${title} (${seconds(milliseconds)})\n`)
    },
    warn(message) {
      stderr.write(`${marks.warning} ${message}\n`)
    },
    close() {},
  }
}

/** Reasons that are shown at a time. */
const most = 8

async function drawn(terminal: Terminal): Promise<Progress & { close(): void }> {
  const { stderr } = terminal
  const spinner = await openSpinner(terminal)
  const { green, yellow, red } = colorsOf(stderr, terminal.env)
  let current = ''
  return {
    start(title) {
      current = title
      spinner.start(title)
    },
    state(reasons) {
      const more = reasons.length - most
      const shown = [...reasons.slice(0, most), ...(more > 0 ? [`and ${more} more`] : [])]
      // A line that wraps would be drawn over with the rest of it left.
      spinner.show(
        [
          current,
          ...shown
            .flatMap((line) => line.split('\n'))
            .map((line) => fitted(`  ${visibleLine(line)}`, stderr)),
        ].join('\n'),
      )
    },
    end(title, milliseconds) {
      spinner.stopWith({ symbol: green(marks.success), text: `${title} (${seconds(milliseconds)})` })
      current = ''
    },
    warn(message) {
      spinner.stopWith({ symbol: yellow(marks.warning), text: message })
      if (current !== '') spinner.start(current)
    },
    close() {
      if (spinner.isSpinning) spinner.stopWith({ symbol: red(marks.error), text: current })
    },
  }
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`
}
