import { faultKey, faultLines, type Fault } from '../../cluster/grouped-faults.ts'
import type { Progress } from '../../install/install-context.ts'
import { marks } from '../check-lines.ts'
import { colorsOf, fitted, isRedrawn } from '../display.ts'
import { openSpinner } from '../spinner.ts'
import { visibleLine } from '../../visible-text.ts'
import type { Terminal } from '../streams.ts'

/**
 * Prints the steps on stderr. On a terminal the running step is redrawn with its reasons to wait; otherwise a
 * line is written for each new reason. `now` is in milliseconds.
 */
export async function installProgress(
  terminal: Terminal,
  now: () => number,
): Promise<Progress & { close(): void }> {
  return isRedrawn(terminal.stderr, terminal.env) ? drawn(terminal) : lines(terminal, now)
}

/** Milliseconds in which nodes with the same reason are collected into one line. */
const gathering = 10_000

function lines({ stderr }: Terminal, now: () => number): Progress & { close(): void } {
  const news = new News(now)
  const tell = (faults: readonly Fault[]): void => {
    for (const line of faultLines(faults)) stderr.write(`  ${line}\n`)
  }
  return {
    start(title) {
      news.forget()
      stderr.write(`${title} …\n`)
    },
    state: (reasons) => tell(news.of(reasons)),
    end(title, milliseconds) {
      stderr.write(`${marks.success} ${title} (${seconds(milliseconds)})\n`)
    },
    warn(message) {
      stderr.write(`${marks.warning} ${message}\n`)
    },
    close() {},
  }
}

/**
 * Reasons that were not yet printed in this step. A new reason is printed at once; further nodes with the
 * same reason are collected.
 */
class News {
  readonly #now: () => number
  readonly #told = new Set<string>()
  readonly #toldAt = new Map<string, number>()

  constructor(now: () => number) {
    this.#now = now
  }

  forget(): void {
    this.#told.clear()
    this.#toldAt.clear()
  }

  of(reasons: readonly Fault[]): Fault[] {
    const now = this.#now()
    const ready = new Map<string, boolean>()
    return reasons.filter((reason) => {
      const key = faultKey(reason)
      const own = `${reason.node ?? ''} ${key}`
      if (this.#told.has(own)) return false
      // Decided once per round, so that all nodes with the same reason are printed together.
      const isReady = ready.get(key) ?? now - (this.#toldAt.get(key) ?? -Infinity) >= gathering
      ready.set(key, isReady)
      if (!isReady) return false
      this.#told.add(own)
      this.#toldAt.set(key, now)
      return true
    })
  }
}

/** The largest number of reasons on the screen. */
const most = 8

async function drawn(terminal: Terminal): Promise<Progress & { close(): void }> {
  const { stderr } = terminal
  const spinner = await openSpinner(terminal)
  const { good, warning, bad } = colorsOf(stderr, terminal.env)
  let current = ''
  return {
    start(title) {
      current = title
      spinner.start(title)
    },
    state(reasons) {
      const all = faultLines(reasons)
      const more = all.length - most
      const shown = [...all.slice(0, most), ...(more > 0 ? [`and ${more} more`] : [])]
      // A line that wraps would leave its rest on the screen when it is redrawn.
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
      spinner.stopWith({ symbol: good(marks.success), text: `${title} (${seconds(milliseconds)})` })
      current = ''
    },
    warn(message) {
      spinner.stopWith({ symbol: warning(marks.warning), text: message })
      if (current !== '') spinner.start(current)
    },
    close() {
      if (spinner.isSpinning) spinner.stopWith({ symbol: bad(marks.error), text: current })
    },
  }
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`
}
